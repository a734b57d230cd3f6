// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/dispatch.hpp>
#include <prefer/core/lane.hpp>

#include <cstdint>

// What the memory gives: loops that only move data, over the same arrays, threads and instruction-set level as a
// kernel.
namespace bench {

enum class traffic { read, copy, own };  // own: the kernel's number of inputs and outputs

struct probe_job {
  static constexpr int most = 16;
  traffic kind;
  bool streaming;  // stores that pass the caches
  int inputs, outputs;
  const float* in[most];
  float* out[most];
  std::int64_t count;  // floats of each array
  float sink;
};

// The loops work on 64-byte lanes and touch 16 lines of an array before the next array, as kernels should.
struct probe_work {
  static constexpr std::int64_t block = 256;

  template <class Level>
  static inline __attribute__((always_inline)) void run(probe_job& job) {
    using V = prefer::lane<float, Level>;
    V held[4] = {};
    alignas(64) float tile[block];
    for (std::int64_t first = 0; first < job.count; first += block) {
      const std::int64_t length = job.count - first < block ? job.count - first : block;
      for (int k = 0; k < job.inputs; ++k) {
        const float* p = job.in[k] + first;
        std::int64_t i = 0;
        for (; i + 4 * V::width <= length; i += 4 * V::width)
          prefer::detail::unrolled<4>([&](auto j) PREFER_HD_LAMBDA { held[j] += V::load(p + i + j * V::width); });
        for (; i < length; i += V::width) held[0] += V::load(p + i);
      }
      if (job.outputs == 0) continue;
      for (std::int64_t i = 0; i < length; i += V::width) held[0].store(tile + i);
      for (int m = 0; m < job.outputs; ++m) {
        float* p = job.out[m] + first;
        for (std::int64_t i = 0; i < length; i += V::width) {
          if (job.streaming)
            store_around(p + i, tile + i);
          else
            V::load(tile + i).store(p + i);
        }
      }
    }
    job.sink = (held[0] + held[1] + held[2] + held[3]).sum();
  }

  static inline __attribute__((always_inline)) void store_around(float* to, const float* from) {
#if defined(__x86_64__)
    typedef float unit __attribute__((vector_size(16), may_alias));
    for (int i = 0; i < 16; i += 4) {
      const unit u = *reinterpret_cast<const unit*>(from + i);
#if defined(__clang__)
      __builtin_nontemporal_store(u, reinterpret_cast<unit*>(to + i));
#else
      __builtin_ia32_movntps(to + i, u);
#endif
    }
#else
    for (int i = 0; i < 16; ++i) to[i] = from[i];
#endif
  }
};

// The part of a probe that task `task` of `tasks` does.
inline float probe_part(probe_job job, prefer::isa level, std::int64_t task, std::int64_t tasks) {
  const std::int64_t begin = job.count * task / tasks / 1024 * 1024;
  const std::int64_t end = task + 1 == tasks ? job.count : job.count * (task + 1) / tasks / 1024 * 1024;
  for (int k = 0; k < job.inputs; ++k) job.in[k] += begin;
  for (int m = 0; m < job.outputs; ++m) job.out[m] += begin;
  job.count = end - begin;
  prefer::detail::run_at<probe_work>(level, job);
  return job.sink;
}

// A probe over the arrays of a call, given as bytes. Non-temporal stores need aligned addresses: the ends that are not
// are left out, and not counted.
inline probe_job make_probe(traffic kind, bool streaming, const char* const* in, int inputs, char* const* out,
                            int outputs, std::int64_t bytes) {
  probe_job job{};
  job.kind = kind;
  job.streaming = streaming;
  const int arrays = inputs + outputs;
  const auto array = [&](int k) { return k < inputs ? in[k] : out[k - inputs]; };
  bool aligned = true;
  for (int k = 0; k < arrays; ++k) aligned = aligned && reinterpret_cast<std::uintptr_t>(array(k)) % 64 == 0;
  const auto up = [](const char* p) {
    return reinterpret_cast<const float*>((reinterpret_cast<std::uintptr_t>(p) + 63) / 64 * 64);
  };
  if (kind == traffic::read) {
    job.inputs = arrays;
    for (int k = 0; k < arrays; ++k) job.in[k] = up(array(k));
  } else {
    // A copy reads the first half of the arrays and writes the second; inputs are only ever overwritten with the zeros
    // that they hold.
    job.inputs = kind == traffic::copy ? arrays / 2 : inputs;
    job.outputs = kind == traffic::copy ? arrays / 2 : outputs;
    for (int k = 0; k < job.inputs; ++k) job.in[k] = up(array(k));
    for (int m = 0; m < job.outputs; ++m) job.out[m] = const_cast<float*>(up(array(arrays - job.outputs + m)));
  }
  job.count = (aligned ? bytes : bytes - 64) / 64 * 16;
  return job;
}

inline double useful_bytes(const probe_job& job) {
  return 4.0 * static_cast<double>(job.count) * (job.inputs + job.outputs);
}

}  // namespace bench
