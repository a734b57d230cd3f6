// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything, with CUDA. Including single headers compiles faster.
#include <prefer/core/evaluate_indexed.cuh>
#include <prefer/core/evaluate_tokens.cuh>
#include <prefer/core/validate.cuh>
#include <prefer/loss/bradley_terry.cuh>
#include <prefer/loss/combine.cuh>
#include <prefer/loss/dpo.cuh>
#include <prefer/prefer.hpp>
#include <prefer/rank/bradley_terry_fit.cuh>
