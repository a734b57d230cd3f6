// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/core/status.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>

// Statistics that span processes: normalisers, baselines, moments, log-sum-exp states, fronts. An algorithm that needs
// one takes a reducer; with the default there is one process and nothing moves. A reducer over MPI, say, is
//
//   struct mpi_reducer {
//     MPI_Comm comm;
//     prefer::status operator()(prefer::reduction what, double* values, std::int64_t count) const {
//       const MPI_Op op = what == prefer::reduction::sum ? MPI_SUM : MPI_MAX;
//       MPI_Allreduce(MPI_IN_PLACE, values, count, MPI_DOUBLE, op, comm);
//       return {};
//     }
//     std::int64_t processes() const;   // and these two for algorithms that gather
//     prefer::status gather(const void* mine, std::int64_t bytes, void* all) const;   // in order of rank
//   };
//
//   mpi_reducer over{comm};
//   prefer::reducer everywhere(over);
//
// Type-erased and non-owning, as task_runner is. Every process calls in the same order with the same counts. Values are
// host doubles: what is reduced is small. Sums over processes are as deterministic as the reducer makes them.
namespace prefer {

enum class reduction : std::uint8_t { sum, max };

class reducer {
 public:
  // One process.
  constexpr reducer() = default;

  template <class R>
  requires requires(const R& r, double* values, std::int64_t n, const void* mine, void* all) {
    r(reduction::sum, values, n);
    r.gather(mine, n, all);
    r.processes();
  }
  constexpr explicit reducer(const R& r)
      : context_(&r),
        processes_(r.processes()),
        reduce_([](const void* self, reduction what, double* values, std::int64_t n) {
          return (*static_cast<const R*>(self))(what, values, n);
        }),
        gather_([](const void* self, const void* mine, std::int64_t bytes, void* all) {
          return static_cast<const R*>(self)->gather(mine, bytes, all);
        }) {}

  constexpr std::int64_t processes() const { return processes_; }

  // values[0 .. n) becomes the sum (or the largest) over all processes, on all of them.
  status operator()(reduction what, double* values, std::int64_t n) const {
    return reduce_ == nullptr ? status{} : reduce_(context_, what, values, n);
  }
  // `all` (processes * bytes) receives every process's bytes, in order of rank.
  status gather(const void* mine, std::int64_t bytes, void* all) const {
    if (gather_ != nullptr) return gather_(context_, mine, bytes, all);
    if (bytes > 0) std::memcpy(all, mine, static_cast<std::size_t>(bytes));
    return {};
  }

 private:
  const void* context_ = nullptr;
  std::int64_t processes_ = 1;
  status (*reduce_)(const void*, reduction, double*, std::int64_t) = nullptr;
  status (*gather_)(const void*, const void*, std::int64_t, void*) = nullptr;
};

}  // namespace prefer
