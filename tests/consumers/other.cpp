// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/prefer.hpp>

int other();
int other() { return prefer::status{}.ok() ? 0 : 1; }
