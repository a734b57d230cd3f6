// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
// expect: prefer: what runs tasks is a prefer::thread_pool or a callable f(std::int64_t tasks, auto task)
#include <prefer/core/execution.hpp>

#include <vector>

#if !defined(PREFER_FAIL)
auto threads = [](std::int64_t tasks, auto task) { while (tasks-- > 0) task(tasks); };
#else
std::vector<int> threads;
#endif
prefer::cpu exec{.pool = threads};
