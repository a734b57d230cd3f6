// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/detail/game_driver.cuh>
#include <prefer/game/duality_gap.hpp>
