// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/execution.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace prefer {

// Threads that the caller owns and lends to calls: cpu{.pool = pool}. The calling thread takes part, so a pool of size
// 1 has no thread of its own. Tasks are claimed from a counter. One call uses the pool at a time; others wait, and a
// call made from inside a task runs its tasks itself. Tasks must not throw.
class thread_pool {
 public:
  explicit thread_pool(int threads) {
    for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { work(); });
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& t : workers_) t.join();
  }

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls task(i) once for every i in [0, tasks) and returns when all calls have returned.
  template <class Task>
  void operator()(std::int64_t tasks, Task task) {
    run(
        tasks, [](void* t, std::int64_t i) { (*static_cast<Task*>(t))(i); }, &task);
  }

 private:
  struct job {
    task_runner::task call;
    void* argument;
    std::int64_t tasks;
    std::atomic<std::int64_t> next{0};
    int inside = 0;  // workers that look at this job; guarded by mutex_

    void drain() {
      for (std::int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) call(argument, i);
    }
  };

  void run(std::int64_t tasks, task_runner::task call, void* argument) {
    if (workers_.empty() || tasks < 2 || current() == this) {
      for (std::int64_t i = 0; i < tasks; ++i) call(argument, i);
      return;
    }
    const std::lock_guard one_call(calls_);
    thread_pool* const outer = current();
    current() = this;
    job work{call, argument, tasks};
    {
      const std::lock_guard lock(mutex_);
      job_ = &work;
      ++generation_;
    }
    wake_.notify_all();
    work.drain();
    std::unique_lock lock(mutex_);
    job_ = nullptr;  // from here on no worker joins
    done_.wait(lock, [&] { return work.inside == 0; });
    current() = outer;
  }

  void work() {
    current() = this;
    std::uint64_t seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stopping_ || (job_ != nullptr && generation_ != seen); });
      if (stopping_) return;
      job* const mine = job_;
      seen = generation_;
      ++mine->inside;
      lock.unlock();
      mine->drain();
      lock.lock();
      if (--mine->inside == 0) done_.notify_all();
    }
  }

  // The pool whose task this thread is running, if any.
  static thread_pool*& current() {
    static thread_local thread_pool* pool = nullptr;
    return pool;
  }

  std::vector<std::thread> workers_;
  std::mutex calls_, mutex_;
  std::condition_variable wake_, done_;
  job* job_ = nullptr;
  std::uint64_t generation_ = 0;
  bool stopping_ = false;
};

}  // namespace prefer
