// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#if __has_include_next(<xtensor/containers/xfixed.hpp>)
#include_next <xtensor/containers/xfixed.hpp>
#else
#include <xtensor/xfixed.hpp>
#endif
