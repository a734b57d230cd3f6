// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#if __has_include_next(<xtensor/containers/xtensor.hpp>)
#include_next <xtensor/containers/xtensor.hpp>
#else
#include <xtensor/xtensor.hpp>
#endif
