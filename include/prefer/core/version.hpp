// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The single source of the version: CMakeLists.txt reads these three lines.
#define PREFER_VERSION_MAJOR 0
#define PREFER_VERSION_MINOR 1
#define PREFER_VERSION_PATCH 0
