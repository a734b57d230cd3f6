// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#if __has_include_next(<xtensor/containers/xadapt.hpp>)
#include_next <xtensor/containers/xadapt.hpp>
#else
#include <xtensor/xadapt.hpp>
#endif
