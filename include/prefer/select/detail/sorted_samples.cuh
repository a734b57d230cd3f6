// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/backend/cuda/sort_ranked.cuh>
#include <prefer/core/arena.hpp>
#include <prefer/select/objectives.hpp>

#include <cstdint>

// Samples of all groups in one order on CUDA: stable sorts by one key after the other, the least important first. What
// belongs to a group comes together, so that one launch serves groups of any size without the host knowing them.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int select_threads = 256;

inline unsigned select_grid(std::int64_t items) {
  const std::int64_t blocks = (items + select_threads - 1) / select_threads;
  return static_cast<unsigned>(blocks < 65536 ? blocks : 65536);
}

template <class F>
static __global__ void __launch_bounds__(select_threads) each_item_kernel(const __grid_constant__ F f, std::int64_t n) {
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * select_threads + threadIdx.x; i < n;
       i += static_cast<std::int64_t>(gridDim.x) * select_threads)
    f(i);
}

// f(i) for 0 <= i < n. F is a named struct: kernels need no extended lambdas.
template <class F>
status each_item(const cuda& exec, const char* name, std::int64_t n, const F& f) {
  if (n == 0) return {};
  each_item_kernel<F><<<select_grid(n), select_threads, 0, exec.stream.stream>>>(f, n);
  return launch_status(name);
}

inline status fill_bytes(const cuda& exec, void* at, int value, std::size_t bytes) {
  if (bytes == 0) return {};
  return cuda_status(cudaMemsetAsync(at, value, bytes, exec.stream.stream), "cudaMemsetAsync");
}

// The bytes of a call's scratch memory, and the memory.
inline std::size_t device_bytes(const arena& measured) {
  return scratch_alignment + scratch_bytes<char>(measured.bytes());
}

// Runs f() with scratch memory that carve(arena) takes; none is asked for if it takes nothing.
template <class Carve, class F>
status with_carved(const cuda& exec, Carve carve, F f) {
  arena measured;
  carve(measured);
  const std::size_t bytes = measured.bytes() > arena::alignment ? measured.bytes() : 0;
  return with_scratch(exec, bytes, [&](void* at, const cuda&) {
    arena memory(at);
    carve(memory);
    return f();
  });
}

// Groups by offsets as one group number per sample, -1 for samples of none: a warp per group. Where bad offsets make
// groups overlap, a sample belongs to the last that has it.
template <class Table>
static __global__ void __launch_bounds__(select_threads)
    own_samples_kernel(const __grid_constant__ Table table, std::int64_t groups, long long* owner,
                       content_report* report) {
  constexpr int teams = select_threads / 32;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (std::int64_t b = static_cast<std::int64_t>(blockIdx.x) * teams + threadIdx.x / 32; b < groups;
       b += static_cast<std::int64_t>(gridDim.x) * teams) {
    const group_rows g = table.group(b);
    if (g.count < 0 && lane == 0) report_content(report, errc::bad_offsets, b);
    for (std::int64_t i = lane; i < g.count; i += 32) atomicMax(owner + g.first + i, static_cast<long long>(b));
  }
}

// `owner` is null without offsets.
template <class Table>
status find_owners(const cuda& exec, const Table& table, std::int64_t groups, std::int64_t samples, long long* owner) {
  if (owner == nullptr || groups == 0) return {};
  if (const status s = fill_bytes(exec, owner, 0xff, static_cast<std::size_t>(samples) * sizeof *owner); !s.ok())
    return s;
  own_samples_kernel<Table>
      <<<select_grid(groups * 32), select_threads, 0, exec.stream.stream>>>(table, groups, owner, exec.report);
  return launch_status("own_samples");
}

// Division of numbers that are not negative: of small ones it is several times cheaper.
__device__ inline std::int64_t quotient(std::int64_t a, std::int64_t b) {
  return ((a | b) >> 32) == 0 ? static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b) : a / b;
}

// The samples of a call on the device.
struct device_samples {
  objective_table table;
  const long long* owner = nullptr;  // [samples] with offsets

  __device__ std::int64_t group_of(std::int64_t s) const {
    return owner != nullptr ? owner[s] : quotient(s, table.per_group);
  }
  // In the order of groups, those that take part first, samples of no group last.
  __device__ std::uint64_t group_key(std::int64_t s) const {
    const std::int64_t b = group_of(s);
    if (b < 0) return static_cast<std::uint64_t>(2 * table.groups);
    const group_rows g = table.group(b);
    const bool present = table.state_of(g, s - g.first) == sample_state::present;
    return static_cast<std::uint64_t>(2 * b + (present ? 0 : 1));
  }
  // Objective k of any sample.
  template <class T>
  __device__ T key_at(std::int64_t s, int k) const {
    std::int64_t at = s * table.row_stride;
    if (table.group_stride != 0 && table.group_stride != table.per_group * table.row_stride) {
      const std::int64_t b = quotient(s, table.per_group);
      at = b * table.group_stride + (s - b * table.per_group) * table.row_stride;
    }
    return table.key(load_element<T>(table.data, table.type, at + k * table.objective_stride), k);
  }
  __device__ void report_nan(std::int64_t s, content_report* report) const {
    const std::int64_t b = group_of(s);
    if (report == nullptr || table.nan != nan_policy::reject || b < 0) return;
    const group_rows g = table.group(b);
    if (table.state_of(g, s - g.first) != sample_state::not_a_number) return;
    const int k = table.first_nan(g, s - g.first);
    report_content(report, errc::not_a_number, k < table.count ? s * table.count + k : s);
  }
};

// Numbers as integers that sort alike; -0 is 0.
PREFER_HD std::uint32_t ascending_bits(float x) {
  const auto bits = __builtin_bit_cast(std::uint32_t, x == 0 ? 0.0f : x);
  return bits >> 31 != 0 ? ~bits : bits | std::uint32_t{1} << 31;
}
PREFER_HD std::uint64_t ascending_bits(double x) { return sortable(x == 0 ? 0.0 : x); }

template <class Key>
struct put_keys {
  Key key;
  const std::int64_t* item;  // or null at first
  std::uint64_t* to;
  std::int64_t* first_items;

  __device__ void operator()(std::int64_t i) const {
    if (item == nullptr) first_items[i] = i;
    to[i] = key(item == nullptr ? i : item[i]);
  }
};

// One sort after the other.
class sample_order {
 public:
  void carve(arena& memory, std::int64_t n) {
    n_ = n;
    for (ranked_arrays& a : arrays_) a.key = memory.take<std::uint64_t>(n), a.item = memory.take<std::int64_t>(n);
    sorting_ = memory.take<char>(static_cast<std::int64_t>(n == 0 ? 0 : sort_bytes(n)));
  }
  // The order so far; the order of numbers is left where no sort was needed.
  const std::int64_t* items() const { return arrays_[now_].item; }

  // Stable; key(sample) has no bits from `bits` on.
  template <class Key>
  status by(const cuda& exec, const Key& key, int bits) {
    if (n_ == 0) return {};
    const put_keys<Key> put{key, begun_ ? arrays_[now_].item : nullptr, arrays_[now_].key, arrays_[now_].item};
    begun_ = true;
    if (const status s = each_item(exec, "sort keys", n_, put); !s.ok()) return s;
    const ranked_arrays from = arrays_[now_];
    now_ = 1 - now_;
    return sort_ranked(exec, sorting_, from, arrays_[now_], n_, bits);
  }

 private:
  std::int64_t n_ = 0;
  ranked_arrays arrays_[2] = {};
  void* sorting_ = nullptr;
  int now_ = 0;
  bool begun_ = false;
};

// How far from position i what `same` holds for reaches in the direction of `step`, within [0, n): in ever larger
// steps, then by bisection. It holds from i on until it does not.
template <class Same>
__device__ std::int64_t run_end(std::int64_t i, std::int64_t step, std::int64_t n, const Same& same) {
  std::int64_t reach = 1, held = 0;
  const auto holds = [&](std::int64_t distance) {
    const std::int64_t at = i + step * distance;
    return at >= 0 && at < n && same(at);
  };
  while (holds(reach)) held = reach, reach *= 2;
  while (reach - held > 1) {
    const std::int64_t middle = held + (reach - held) / 2;
    (holds(middle) ? held : reach) = middle;
  }
  return i + step * held;
}

// The keys of orders in which no sample comes before one that dominates it. A sum of integers that sort as objectives
// do is larger for what dominates, exactly: 40 bits for float, 72 for double. Like a sum of logarithms it also brings
// what dominates much to the front.
struct float_score {
  device_samples samples;
  __device__ std::uint64_t operator()(std::int64_t s) const {
    std::uint64_t sum = 0;
    for (int k = 0; k < samples.table.count; ++k) sum += ascending_bits(samples.key_at<float>(s, k));
    return (std::uint64_t{1} << 40) - 1 - sum;
  }
};
struct double_score {
  device_samples samples;
  bool high;
  __device__ std::uint64_t operator()(std::int64_t s) const {
    std::uint64_t sum = 0, carry = 0;
    for (int k = 0; k < samples.table.count; ++k) {
      const std::uint64_t x = ascending_bits(samples.key_at<double>(s, k));
      sum += x, carry += sum < x ? 1 : 0;
    }
    return high ? 255 - carry : ~sum;
  }
};
struct violation_key {
  device_samples samples;
  __device__ std::uint64_t operator()(std::int64_t s) const { return ascending_bits(samples.table.violation_of(s)); }
};
struct group_key {
  device_samples samples;
  __device__ std::uint64_t operator()(std::int64_t s) const { return samples.group_key(s); }
};

inline status sort_by_group(const cuda& exec, const device_samples& samples, sample_order& order) {
  if (samples.table.violation.data != nullptr)
    if (const status s = order.by(exec, violation_key{samples}, 64); !s.ok()) return s;
  const bool all_alike = samples.table.groups == 1 && samples.owner == nullptr && samples.table.mask.data == nullptr &&
                         samples.table.nan == nan_policy::worst;
  return all_alike ? status{} : order.by(exec, group_key{samples}, bits_for(2 * samples.table.groups));
}

inline status sort_by_score(const cuda& exec, const device_samples& samples, sample_order& order) {
  status s = samples.table.needs_double() ? order.by(exec, double_score{samples, false}, 64)
                                          : order.by(exec, float_score{samples}, 40);
  if (s.ok() && samples.table.needs_double()) s = order.by(exec, double_score{samples, true}, 8);
  return s.ok() ? sort_by_group(exec, samples, order) : s;
}

// Samples in an order, as columns.
template <class T>
struct position_rows {
  std::int64_t n = 0;
  int count = 0;                    // objectives
  T* keys = nullptr;                // [K, n]
  double* violation = nullptr;      // [n] or null
  std::int64_t* begin = nullptr;    // where the group begins
  std::uint8_t* present = nullptr;  // not for what is left out or in no group
  std::int64_t* start = nullptr;    // [B + 1], of groups that have samples

  void carve(arena& memory, const objective_table& t) {
    n = t.samples, count = t.count;
    keys = memory.take<T>(n * t.count);
    violation = t.violation.data != nullptr ? memory.take<double>(n) : nullptr;
    begin = memory.take<std::int64_t>(n);
    present = memory.take<std::uint8_t>(n);
    start = memory.take<std::int64_t>(t.groups + 1);
  }
  __device__ double violation_at(std::int64_t i) const { return violation == nullptr ? 0 : violation[i]; }
};

struct find_starts {
  device_samples samples;
  const std::int64_t* item;
  std::int64_t* start;

  __device__ std::int64_t group_at(std::int64_t i) const {
    const std::int64_t b = samples.group_of(item[i]);
    return b < 0 ? samples.table.groups : b;
  }
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t b = group_at(i);
    if (i == 0 || group_at(i - 1) != b) start[b] = i;
  }
};

template <class T>
struct gather_rows {
  device_samples samples;
  const std::int64_t* item;
  position_rows<T> rows;
  content_report* report;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t s = item[i];
    const std::uint64_t key = samples.group_key(s);
    rows.begin[i] = rows.start[key / 2];
    rows.present[i] = key % 2 == 0 && static_cast<std::int64_t>(key / 2) < samples.table.groups ? 1 : 0;
    if (rows.present[i] == 0) samples.report_nan(s, report);
    if (rows.violation != nullptr) rows.violation[i] = samples.table.violation_of(s);
    for (int k = 0; k < rows.count; ++k) rows.keys[k * rows.n + i] = samples.key_at<T>(s, k);
  }
};

template <class T>
status gather_positions(const cuda& exec, const device_samples& samples, const std::int64_t* item,
                        const position_rows<T>& rows) {
  const status s = each_item(exec, "find_starts", rows.n, find_starts{samples, item, rows.start});
  return s.ok() ? each_item(exec, "gather_rows", rows.n, gather_rows<T>{samples, item, rows, exec.report}) : s;
}

}  // namespace detail
}  // namespace PREFER_ABI
}  // namespace prefer
