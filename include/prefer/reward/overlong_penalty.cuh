// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/reward/detail/columns.cuh>
#include <prefer/reward/overlong_penalty.hpp>
