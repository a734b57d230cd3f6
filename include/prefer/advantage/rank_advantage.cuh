// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/advantage/rank_advantage.hpp>
#include <prefer/backend/cuda/for_groups.cuh>
