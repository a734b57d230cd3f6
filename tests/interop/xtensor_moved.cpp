// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// The xtensor tests with its headers where they are since 0.26: moved/ (on the include path of this test) has those
// paths and leads to whichever xtensor is installed.
#if !__has_include(<xtensor/core/xexpression.hpp>)
#error "add tests/interop/moved to the include path"
#endif
#include "interop/xtensor.cpp"
