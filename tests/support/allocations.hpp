// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace prefer_test {

// How often operator new was called so far in this program.
long allocation_count();

}  // namespace prefer_test
