// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#if __has_include_next(<xtensor/core/xexpression.hpp>)
#include_next <xtensor/core/xexpression.hpp>
#else
#include <xtensor/xexpression.hpp>
#endif
