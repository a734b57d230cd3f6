// expect: this container packs its bool elements into bits
// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/interop/span.hpp>

#include <cstdint>
#include <vector>

#if defined(PREFER_FAIL)
std::vector<bool> mask(4);
#else
std::vector<std::uint8_t> mask(4);
#endif

int main() { return static_cast<int>(prefer::as_vector(mask).extent[0]); }
