// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/evaluate.cuh>
#include <prefer/loss/kl_mixed_reinforce.hpp>
