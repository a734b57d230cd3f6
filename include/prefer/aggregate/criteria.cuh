// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/aggregate/aggregate.cuh>
#include <prefer/aggregate/criteria.hpp>
