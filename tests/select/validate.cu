// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/validate.cuh>
#include <support/side.cuh>
#include <select/validate.hpp>

using namespace prefer_test;

TEST_CASE("on CUDA validates of selections say what is wrong, and where") { check_validates<device_side>(); }
