// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/detail/sorted_samples.cuh>

#include <algorithm>
#include <cstdint>

// Reductions over the samples of every group on CUDA, one per group and slot. A reduction is a struct with
//   using value = ...;  value none() const;   value combine(value, value) const;   group_rows group(b) const;
//   value load(b, group, slot, i) const;      void finish(b, group, slot, value) const;
// combine is associative and commutative to the bit (a minimum, the first of the largest), so that neither the number
// of threads nor that of parts matters. A group whose offsets are bad has no samples.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

// In how many parts groups are read, so that one large group is not the work of one block: by what the host knows.
inline std::int64_t parts_of_groups(std::int64_t samples, std::int64_t groups) {
  constexpr std::int64_t per_part = 16 * select_threads, most = 1024;
  return std::clamp<std::int64_t>(samples / std::max<std::int64_t>(groups, 1) / per_part, 1, most);
}

// An item is a part of a slot of a group.
template <int Threads, class Reduction>
static __global__ void __launch_bounds__(select_threads)
    reduce_groups_kernel(const __grid_constant__ Reduction f, std::int64_t groups, std::int64_t slots,
                         std::int64_t parts, typename Reduction::value* partial) {
  using value = typename Reduction::value;
  constexpr int teams = select_threads / Threads;
  extern __shared__ __align__(16) unsigned char reduction_memory[];
  const int nth = static_cast<int>(threadIdx.x) / Threads, me = static_cast<int>(threadIdx.x) % Threads;
  value* const shared = reinterpret_cast<value*>(reduction_memory) + nth * Threads;
  const auto sync = [] {
    if constexpr (Threads == 32)
      __syncwarp();
    else
      __syncthreads();
  };
  for (std::int64_t item = static_cast<std::int64_t>(blockIdx.x) * teams + nth; item < groups * slots * parts;
       item += static_cast<std::int64_t>(gridDim.x) * teams) {
    const std::int64_t part = item % parts, slot = item / parts % slots, b = item / parts / slots;
    const group_rows g = f.group(b);
    const std::int64_t count = g.count < 0 ? 0 : g.count, end = count * (part + 1) / parts;
    value x = f.none();
    for (std::int64_t i = count * part / parts + me; i < end; i += Threads) x = f.combine(x, f.load(b, g, slot, i));
    shared[me] = x;
    sync();
    for (int half = Threads / 2; half > 0; half /= 2) {
      if (me < half) shared[me] = f.combine(shared[me], shared[me + half]);
      sync();
    }
    if (me == 0 && parts == 1) f.finish(b, g, slot, shared[0]);
    if (me == 0 && parts > 1) partial[item] = shared[0];
    sync();
  }
}

template <class Reduction>
struct merge_parts {
  Reduction f;
  const typename Reduction::value* partial;
  std::int64_t slots, parts;

  __device__ void operator()(std::int64_t item) const {
    typename Reduction::value x = f.none();
    for (std::int64_t p = 0; p < parts; ++p) x = f.combine(x, partial[item * parts + p]);
    const std::int64_t b = item / slots;
    f.finish(b, f.group(b), item % slots, x);
  }
};

// The values of the parts: none are kept if there is one part.
template <class Reduction>
typename Reduction::value* take_parts(arena& memory, std::int64_t samples, std::int64_t groups, std::int64_t slots) {
  const std::int64_t parts = parts_of_groups(samples, groups);
  return parts > 1 ? memory.take<typename Reduction::value>(groups * slots * parts) : nullptr;
}

// One launch, two where groups are large.
template <class Reduction>
status reduce_groups(const cuda& exec, const char* name, const Reduction& f, std::int64_t samples, std::int64_t groups,
                     std::int64_t slots, typename Reduction::value* partial) {
  if (groups * slots == 0) return {};
  const std::int64_t parts = parts_of_groups(samples, groups), items = groups * slots * parts;
  constexpr std::size_t bytes = select_threads * sizeof(typename Reduction::value);
  if (samples / groups <= 512)
    reduce_groups_kernel<32, Reduction>
        <<<select_grid(items * 32), select_threads, bytes, exec.stream.stream>>>(f, groups, slots, parts, partial);
  else
    reduce_groups_kernel<select_threads, Reduction><<<select_grid(items * select_threads), select_threads, bytes,
                                                      exec.stream.stream>>>(f, groups, slots, parts, partial);
  if (const status s = launch_status(name); !s.ok() || parts == 1) return s;
  return each_item(exec, name, groups * slots, merge_parts<Reduction>{f, partial, slots, parts});
}

// Which samples take part, and the least violation of each group among them: what a pick of one sample of every group
// begins with.
struct find_present {
  using value = double;
  objective_table table;
  std::uint8_t* flag;  // [n]
  double* least;       // [B]
  content_report* report;

  __device__ double none() const { return math::detail::infinity<double>(); }
  __device__ double combine(double a, double b) const { return b < a ? b : a; }
  __device__ group_rows group(std::int64_t b) const { return table.group(b); }
  __device__ double load(std::int64_t, const group_rows& g, std::int64_t, std::int64_t i) const {
    const sample_state state = table.state_of(g, i);
    flag[g.first + i] = state == sample_state::present ? 1 : 0;
    if (state == sample_state::present) return table.violation_of(g.first + i);
    if (state == sample_state::not_a_number && table.nan == nan_policy::reject) {
      const int k = table.first_nan(g, i);
      report_content(report, errc::not_a_number, k < table.count ? (g.first + i) * table.count + k : g.first + i);
    }
    return none();
  }
  __device__ void finish(std::int64_t b, const group_rows& g, std::int64_t, double x) const {
    least[b] = x;
    if (g.count < 0) report_content(report, errc::bad_offsets, b);
  }
};

// The samples that a pick may name: those that take part and violate least.
struct pick_candidates {
  std::uint8_t* flag = nullptr;
  double* least = nullptr;
  double* parts = nullptr;

  void carve(arena& memory, const objective_table& t) {
    flag = memory.take<std::uint8_t>(t.samples);
    least = memory.take<double>(t.groups);
    parts = take_parts<find_present>(memory, t.samples, t.groups, 1);
  }
  status find(const cuda& exec, const objective_table& t) const {
    const find_present f{t, flag, least, exec.report};
    return reduce_groups(exec, "find_present", f, t.samples, t.groups, 1, parts);
  }
  __device__ bool has(const objective_table& t, std::int64_t b, std::int64_t s) const {
    return flag[s] != 0 && (t.violation.data == nullptr || t.violation_of(s) == least[b]);
  }
};

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
