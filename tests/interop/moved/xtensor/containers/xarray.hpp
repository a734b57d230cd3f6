// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#if __has_include_next(<xtensor/containers/xarray.hpp>)
#include_next <xtensor/containers/xarray.hpp>
#else
#include <xtensor/xarray.hpp>
#endif
