// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything for the CPU that needs no other library. Including single headers compiles faster.
#include <prefer/core/evaluate_indexed.hpp>
#include <prefer/core/evaluate_tokens.hpp>
#include <prefer/core/random.hpp>
#include <prefer/core/reducer.hpp>
#include <prefer/core/thread_pool.hpp>
#include <prefer/core/validate.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <prefer/loss/combine.hpp>
#include <prefer/loss/dpo.hpp>
#include <prefer/rank/bradley_terry_fit.hpp>
#include <prefer/rank/comparison_groups.hpp>
