// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/matrix_product.cuh>
#include <prefer/shape/aol.hpp>
#include <prefer/shape/detail/layers.cuh>
