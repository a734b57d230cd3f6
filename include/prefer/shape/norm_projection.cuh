// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/shape/detail/layers.cuh>
#include <prefer/shape/detail/matrix_norms.cuh>
#include <prefer/shape/norm_projection.hpp>
