// expect: elements of a view are double, float, half, bfloat16, int32, int64, uint8 or bool
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/span.hpp>

#include <vector>

#if defined(PREFER_FAIL)
std::vector<long double> scores(4);
#else
std::vector<double> scores(4);
#endif

int main() { return static_cast<int>(prefer::as_vector(scores).extent[0]); }
