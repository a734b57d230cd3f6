// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cuda/map_reduce.cuh>
#include <prefer/backend/row_reduce.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// row_reduce on CUDA (contract: backend/row_reduce.hpp). A team of threads does a row: a warp if the row is short, else
// a block. Of few long rows a block does one chunk, the last block of a row combines its chunks, and a second launch
// writes the gradient; the order of additions is the same. Columns are dealt to threads in groups of 16 bytes, by their
// number and not by their address, so that a row's bits do not depend on where it lies.
namespace prefer {
inline namespace PREFER_ABI {
namespace detail {

inline constexpr int reduce_threads = 256;
inline constexpr std::int64_t warp_columns = 1024;  // up to here a warp does a row
inline constexpr std::int64_t many_rows = 256;      // from here on blocks do whole rows
inline constexpr std::int64_t reduce_max_blocks = std::int64_t{1} << 20;

inline constexpr int most_thread_picks = 4;         // picked columns that a thread holds while the gradient is written

// How the work is dealt: whole rows; chunks of rows, reduced; chunks of rows, written.
enum class row_launch : std::uint8_t { whole, reduce, write };

struct kept_column {
  double x;
  std::int64_t column;
};

// What the blocks of one call share.
template <class Body>
struct row_exchange {
  row_state<Body::sums>* states = nullptr;         // [items][chunks]
  kept_column* kept = nullptr;                     // [items][chunks][most_kept]
  typename Body::coefficients* answers = nullptr;  // [items], or the write pass finds them itself
  unsigned* finished = nullptr;                    // [items]
  content_report* report = nullptr;
};

template <class S>
inline constexpr int group_of = 16 / static_cast<int>(sizeof(S));
template <class S>
inline constexpr element element_tag = element_of<S>();

struct alignas(16) row_words {
  std::uint32_t word[4];
};

template <class S>
static __device__ __forceinline__ S element_in(const row_words& w, int i) {
  if constexpr (sizeof(S) == 2)
    return bits_as<S>(static_cast<std::uint16_t>(w.word[i / 2] >> (i % 2 * 16)));
  else if constexpr (sizeof(S) == 4)
    return bits_as<S>(w.word[i]);
  else
    return bits_as<S>(static_cast<std::uint64_t>(w.word[2 * i + 1]) << 32 | w.word[2 * i]);
}

// The 16 bytes that begin `offset` bytes into a and b.
static __device__ inline row_words joined(const row_words& a, const row_words& b, unsigned offset) {
  std::uint32_t w[8];
#pragma unroll
  for (int i = 0; i < 4; ++i) w[i] = a.word[i], w[i + 4] = b.word[i];
#pragma unroll
  for (int i = 0; i < 6; ++i) w[i] = (offset & 8u) != 0 ? w[i + 2] : w[i];
#pragma unroll
  for (int i = 0; i < 5; ++i) w[i] = (offset & 4u) != 0 ? w[i + 1] : w[i];
  row_words r;
#pragma unroll
  for (int i = 0; i < 4; ++i) r.word[i] = (offset & 2u) != 0 ? w[i] >> 16 | w[i + 1] << 16 : w[i];
  return r;
}

// Whether a column is one of the group that begins at `first`.
static __device__ inline bool in_group(std::int64_t column, std::int64_t first, int group) {
  return static_cast<std::uint64_t>(column - first) < static_cast<std::uint64_t>(group);
}

// A row in memory.
template <class S>
struct row_memory {
  const S* data;
  std::int64_t stride, columns;

  // The group of columns that begins at `column`, for all lanes of a warp, which have consecutive groups: one aligned
  // load each; where the row is not aligned the other half comes from the next lane. Columns past `end` are -inf.
  template <class T>
  __device__ __forceinline__ void load(std::int64_t column, std::int64_t end, T (&x)[group_of<S>]) const {
    constexpr int group = group_of<S>;
    const auto address = reinterpret_cast<std::uintptr_t>(data);
    const auto offset = static_cast<unsigned>(address % 16);
    bool whole = stride == 1 && column + group <= end;
    row_words words{};
    if (stride == 1 && offset == 0) {
      if (whole) words = *reinterpret_cast<const row_words*>(data + column);
    } else if (stride == 1) {
      const auto at = address - offset + static_cast<std::uintptr_t>(column) * sizeof(S);
      const auto last = address + static_cast<std::uintptr_t>(columns) * sizeof(S);
      const bool mine = at >= address && at + 16 <= last;
      whole = whole && mine && at + 32 <= last;
      row_words next{};
      if (mine) words = *reinterpret_cast<const row_words*>(at);
#pragma unroll
      for (int i = 0; i < 4; ++i) next.word[i] = __shfl_down_sync(0xffffffffu, words.word[i], 1);
      if (whole && threadIdx.x % 32 == 31) next = *reinterpret_cast<const row_words*>(at + 16);
      words = joined(words, next, offset);
    }
    if (whole) {
#pragma unroll
      for (int i = 0; i < group; ++i) x[i] = static_cast<T>(widen(element_in<S>(words, i)));
    } else {
#pragma unroll
      for (int i = 0; i < group; ++i)
        x[i] = column + i < end ? static_cast<T>(widen(data[(column + i) * stride])) : -math::detail::infinity<T>();
    }
  }
};

// The columns that a body sees: a row's own, or joined with those of the other matrix, which may be of another type.
template <class S, class Body>
struct row_columns {
  const Body& body;
  row_memory<S> x, y;  // y if it has the type of x
  const row_source& other;
  std::int64_t row;

  __device__ row_columns(const Body& b, const row_reduce_arguments& a, std::int64_t r)
      : body(b), x(memory_of(a.x, r, a.columns)), y(memory_of(a.y, r, a.columns)), other(a.y), row(r) {}
  static __device__ row_memory<S> memory_of(const row_source& r, std::int64_t row, std::int64_t columns) {
    return {static_cast<const S*>(r.data) + row * r.row_stride, r.stride, columns};
  }

  template <class T>
  __device__ __forceinline__ T join(T number, std::int64_t v) const {
    if constexpr (joins_rows<Body>)
      return body.join(number, load_element<T>(other.data, other.type, row * other.row_stride + v * other.stride));
    else
      return number;
  }
  template <class T>
  __device__ __forceinline__ T at(std::int64_t v) const {
    return join(static_cast<T>(widen(x.data[v * x.stride])), v);
  }

  // The group of columns that begins at `column`, as in row_memory.
  template <class T>
  __device__ __forceinline__ void load(std::int64_t column, std::int64_t end, T (&z)[group_of<S>]) const {
    x.template load<T>(column, end, z);
    if constexpr (joins_rows<Body>) {
      T more[group_of<S>];
      if (other.type == element_tag<S>) {
        y.template load<T>(column, end, more);
#pragma unroll
        for (int i = 0; i < group_of<S>; ++i) z[i] = body.join(z[i], more[i]);
      } else {
#pragma unroll
        for (int i = 0; i < group_of<S>; ++i)
          if (column + i < end) z[i] = join(z[i], column + i);
      }
    }
  }
  // Whether both rows lie in memory alike.
  __device__ __forceinline__ bool alike() const {
    return other.type == element_tag<S> && other.stride == 1 &&
           (reinterpret_cast<std::uintptr_t>(y.data) - reinterpret_cast<std::uintptr_t>(x.data)) % 16 == 0;
  }
  static __device__ __forceinline__ row_words words_at(const S* p) { return *reinterpret_cast<const row_words*>(p); }
  // The group of columns that begins at `column` where x is contiguous and 16 bytes lie together; `both`: y as well.
  template <class T>
  __device__ __forceinline__ void load_aligned(std::int64_t column, bool both, T (&z)[group_of<S>]) const {
    const row_words words = words_at(x.data + column);
#pragma unroll
    for (int i = 0; i < group_of<S>; ++i) z[i] = static_cast<T>(widen(element_in<S>(words, i)));
    if constexpr (joins_rows<Body>) {
      const row_words more = both ? words_at(y.data + column) : row_words{};
#pragma unroll
      for (int i = 0; i < group_of<S>; ++i)
        z[i] = both ? body.join(z[i], static_cast<T>(widen(element_in<S>(more, i)))) : join(z[i], column + i);
    }
  }
};

// What one thread has seen of a chunk.
template <class T, class Body>
struct row_part {
  T max = -math::detail::infinity<T>();
  std::int64_t arg = -1;
  T sum[Body::sums] = {};
};

// The K largest columns that a team of threads has seen, sorted, and behind them columns that wait to be sorted in.
// What is in the list in the end depends on the columns alone, not on which thread offers them when. All threads of the
// team take part in every call.
template <class T, class Body>
struct team_list {
  static constexpr int per_thread = 4, most = per_thread * reduce_threads;
  struct shared {  // of all teams of a block
    T x[most];
    std::int64_t column[most];
    int waiting[reduce_threads / 32];
  };
  static_assert(Body::most_kept <= 64);  // a warp has 128 places, of which 32 have to be free

  T* x;
  std::int64_t* column;
  int* waiting;
  int size, threads, rank;
  T least = -math::detail::infinity<T>();
  std::int64_t least_column = no_column;

  __device__ team_list(shared& memory, int kept, int team_threads, int team_rank)
      : size(kept), threads(team_threads), rank(team_rank) {
    const int nth = (static_cast<int>(threadIdx.x) - rank) / threads, first = nth * threads * per_thread;
    x = memory.x + first, column = memory.column + first, waiting = memory.waiting + nth;
    for (int j = rank; j < size; j += threads) x[j] = -math::detail::infinity<T>(), column[j] = no_column;
    if (rank == 0) *waiting = 0;
    sync();
  }

  __device__ void sync() const {
    if (threads > 32)
      __syncthreads();
    else
      __syncwarp();
  }
  __device__ bool any(bool mine) const {
    return threads > 32 ? __syncthreads_or(mine) != 0 : __any_sync(0xffffffffu, mine) != 0;
  }

  // Sorts what waits into the list: an entry's place is the number of those before it.
  __device__ void settle() {
    sync();
    const int count = size + *waiting;
    T mine[per_thread];
    std::int64_t from[per_thread];
    int place[per_thread];
#pragma unroll
    for (int n = 0; n < per_thread; ++n) {
      const int at = rank + n * threads;
      place[n] = size;
      if (at >= count) continue;
      mine[n] = x[at], from[n] = column[at], place[n] = 0;
      for (int j = 0; j < count; ++j)  // free places are of one column, and stay in order
        if (precedes(x[j], column[j], mine[n], from[n]) || (column[j] == from[n] && j < at)) ++place[n];
    }
    sync();
#pragma unroll
    for (int n = 0; n < per_thread; ++n)
      if (place[n] < size) x[place[n]] = mine[n], column[place[n]] = from[n];
    if (rank == 0) *waiting = 0;
    sync();
    least = x[size - 1], least_column = column[size - 1];
  }

  // One column of each thread that has one.
  __device__ void push(bool has, T number, std::int64_t from) {
    const unsigned who = __ballot_sync(0xffffffffu, has);
    int first = 0;
    if (who != 0 && threadIdx.x % 32 == 0) first = atomicAdd(waiting, __popc(who));
    first = __shfl_sync(0xffffffffu, first, 0);
    const int at = size + first + __popc(who & ((1u << threadIdx.x % 32) - 1u));
    if (has) x[at] = number, column[at] = from;
    sync();
    const int count = *waiting;
    sync();  // before the next call counts
    if (least_column == no_column || count >= 2 * size || size + count + threads > per_thread * threads) settle();
  }

  // Every thread offers columns of its own, the u-th group of z from first + u stride on, its largest first.
  template <int Unroll, int Group>
  __device__ void offer(const T (&z)[Unroll][Group], std::int64_t first, std::int64_t stride, std::int64_t end) {
    T top = -math::detail::infinity<T>();
#pragma unroll
    for (int n = 0; n < Unroll * Group; ++n) top = math::max(z[n / Group][n % Group], top);
    unsigned taken = 0;  // a bit for each of z
    for (;;) {
      T number = -math::detail::infinity<T>();
      std::int64_t from = no_column;
      int place = 0;
      if (top >= least) {
#pragma unroll
        for (int n = 0; n < Unroll * Group; ++n) {
          const T here = z[n / Group][n % Group];
          const std::int64_t at = first + n / Group * stride + n % Group;
          const bool open = (taken >> n & 1u) == 0 && at < end;
          if (open && precedes(here, at, number, from)) number = here, from = at, place = n;
        }
      }
      const bool admitted = from != no_column && precedes(number, from, least, least_column);
      if (!any(admitted)) return;
      if (admitted) taken |= 1u << place;
      push(admitted, number, from);
    }
  }
};

struct no_list {
  struct shared {};
};
template <class T, class Body>
struct list_for {
  using type = no_list;
};
template <class T, class Body>
requires(keeps_columns<Body>) struct list_for<T, Body> {
  using type = team_list<T, Body>;
};

// Where the largest columns are kept, sums leave the largest of all out: here it comes back, for a larger one.
template <class T, class Body>
static __device__ void take_in_largest(const Body& body, T max, T (&sum)[Body::sums]) {
  if constexpr (keeps_columns<Body>) {
    T term[Body::sums];
    body.terms(max > -math::detail::infinity<T>() ? T(0) : max, term);
    for (int r = 0; r < Body::sums; ++r) sum[r] += term[r];
  }
}

template <class Body>
static __device__ void append_chunk(const Body& body, row_state<Body::sums>& to, row_state<Body::sums> part) {
  if (precedes(part.max, part.arg, to.max, to.arg))
    take_in_largest<double>(body, to.max, to.sum);
  else
    take_in_largest<double>(body, part.max, part.sum);
  append(body, to, part);
}

// The threads that share a row.
template <class T, class Body>
struct row_team {
  static constexpr int warps = reduce_threads / 32, sums = Body::sums;
  struct shared {
    double top[warps];
    std::int64_t arg[warps];
    double sum[warps][sums];
    row_plan plan;
    std::int64_t row;
    bool last;  // of the blocks that share the row
    typename Body::coefficients answer;
  };
  using list_type = typename list_for<T, Body>::type;

  shared& memory;  // of the team
  int threads, rank;
  typename list_type::shared& lists;  // of all teams

  __device__ void sync() const {
    if (threads > 32)
      __syncthreads();
    else
      __syncwarp();
  }

  // The list of a row that begins.
  __device__ list_type list(const Body& body) const {
    if constexpr (keeps_columns<Body>)
      return list_type(lists, body.picks(), threads, rank);
    else
      return {};
  }

  template <class S>
  __device__ void reduce(const Body& body, const row_columns<S, Body>& x, std::int64_t begin, std::int64_t end,
                         std::int64_t omitted, bool find, row_part<T, Body>& part, list_type& list) const {
    constexpr int group = group_of<S>, unroll = 4;
    const std::int64_t stride = static_cast<std::int64_t>(threads) * group;
    const T unit = static_cast<T>(body.unit());
    for (std::int64_t at = begin; at < end; at += unroll * stride) {
      T z[unroll][group];
      T top = -math::detail::infinity<T>();
#pragma unroll
      for (int u = 0; u < unroll; ++u) {
        const std::int64_t first = at + u * stride + rank * group;
        x.template load<T>(first, end, z[u]);
        if (in_group(omitted, first, group)) {
#pragma unroll
          for (int i = 0; i < group; ++i)
            if (first + i == omitted) z[u][i] = -math::detail::infinity<T>();
        }
      }
      if constexpr (keeps_columns<Body>) list.offer(z, at + rank * group, stride, end);
#pragma unroll
      for (int u = 0; u < unroll; ++u)
#pragma unroll
        for (int i = 0; i < group; ++i) {
          z[u][i] = body.value(z[u][i]);
          top = math::max(z[u][i], top);
        }
      if (top > part.max) {
        take_in_largest<T>(body, part.max, part.sum);
        rebase_to(body, top, part.max, part.sum);
        part.max = top;
        if (find || keeps_columns<Body>) part.arg = first_of<group>(z, top, at + rank * group, stride);
        if constexpr (keeps_columns<Body>) leave_out<group>(z, part.arg, at + rank * group, stride);
      }
      const T shift = part.max > -math::detail::infinity<T>() ? part.max : T(0);
#pragma unroll
      for (int u = 0; u < unroll; ++u)
#pragma unroll
        for (int i = 0; i < group; ++i) {
          T term[sums];
          body.terms((z[u][i] - shift) * unit, term);
#pragma unroll
          for (int r = 0; r < sums; ++r) part.sum[r] += term[r];
        }
    }
  }

  template <int Group, int Unroll>
  static __device__ std::int64_t first_of(const T (&z)[Unroll][Group], T top, std::int64_t column,
                                          std::int64_t stride) {
    std::int64_t first = -1;
#pragma unroll
    for (int u = Unroll; u-- > 0;)
#pragma unroll
      for (int i = Group; i-- > 0;)
        if (z[u][i] == top) first = column + u * stride + i;
    return first;
  }

  template <int Group, int Unroll>
  static __device__ void leave_out(T (&z)[Unroll][Group], std::int64_t omitted, std::int64_t column,
                                   std::int64_t stride) {
#pragma unroll
    for (int u = 0; u < Unroll; ++u)
#pragma unroll
      for (int i = 0; i < Group; ++i)
        if (column + u * stride + i == omitted) z[u][i] = -math::detail::infinity<T>();
  }

  // The larger maximum, with the first column that has it.
  static __device__ void prefer_larger(double& top, std::int64_t& arg, double other, std::int64_t other_arg) {
    if (other > top || (other == top && other_arg >= 0 && (arg < 0 || other_arg < arg))) arg = other_arg;
    top = math::max(other, top);
  }

  // The parts of all threads, in a fixed order; valid in the team's first thread.
  __device__ row_state<sums> combine(const Body& body, const row_part<T, Body>& part) const {
    double top = static_cast<double>(part.max);
    std::int64_t arg = part.arg;
    const int warp = rank / 32, count = threads / 32;
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
      const double other = __shfl_xor_sync(0xffffffffu, top, step);
      prefer_larger(top, arg, other, __shfl_xor_sync(0xffffffffu, arg, step));
    }
    if (count > 1) {
      if (rank % 32 == 0) memory.top[warp] = top, memory.arg[warp] = arg;
      sync();
      for (int w = 0; w < count; ++w) prefer_larger(top, arg, memory.top[w], memory.arg[w]);
    }
    row_state<sums> state;
    state.max = top;
    state.arg = arg;
    for (int r = 0; r < sums; ++r) state.sum[r] = static_cast<double>(part.sum[r]);
    if (part.arg != arg) take_in_largest(body, static_cast<double>(part.max), state.sum);
    rebase_to(body, top, static_cast<double>(part.max), state.sum);
    for (int r = 0; r < sums; ++r)
      for (int step = 16; step > 0; step /= 2)
        state.sum[r] += __shfl_down_sync(0xffffffffu, state.sum[r], static_cast<unsigned>(step));
    if (count > 1) {
      if (rank % 32 == 0)
        for (int r = 0; r < sums; ++r) memory.sum[warp][r] = state.sum[r];
      sync();
      if (rank == 0)
        for (int r = 0; r < sums; ++r)
          for (int w = 1; w < count; ++w) state.sum[r] += memory.sum[w][r];
    }
    return state;
  }

  // The state of columns [begin, end), valid in the team's first thread.
  template <class S>
  __device__ row_state<sums> reduce_chunk(const Body& body, const row_columns<S, Body>& x, std::int64_t begin,
                                          std::int64_t end, std::int64_t omitted, bool find, list_type& list) const {
    row_part<T, Body> part;
    reduce(body, x, begin, end, omitted, find, part, list);
    return combine(body, part);
  }

  // A chunk's state and list for other blocks; `last` says whether all chunks of the row are there.
  __device__ void publish(const row_exchange<Body>& exchange, std::int64_t item, std::int64_t chunk,
                          std::int64_t chunks, const row_state<sums>& state, const list_type& list) const {
    const std::int64_t unit = item * chunks + chunk;
    if constexpr (keeps_columns<Body>) {
      if (rank < list.size)
        exchange.kept[unit * Body::most_kept + rank] = {static_cast<double>(list.x[rank]), list.column[rank]};
      sync();
    }
    if (rank != 0) return;
    exchange.states[unit] = state;
    __threadfence();
    memory.last = atomicAdd(&exchange.finished[item], 1u) == static_cast<unsigned>(chunks) - 1;
    __threadfence();
  }
  // What all chunks of a row have left: the state in the first thread.
  __device__ void fetch(const Body& body, const row_exchange<Body>& exchange, std::int64_t item, std::int64_t chunks,
                        row_state<sums>& state, list_type& list) const {
    for (std::int64_t unit = item * chunks; unit < (item + 1) * chunks; ++unit) {
      if constexpr (keeps_columns<Body>) {
        const volatile kept_column* const kept = exchange.kept + unit * Body::most_kept;
        const bool mine = rank < list.size;
        list.push(mine, mine ? static_cast<T>(kept[rank].x) : T(0), mine ? kept[rank].column : 0);
      }
      if (rank != 0) continue;
      const volatile row_state<sums>& part = exchange.states[unit];
      row_state<sums> next;
      next.max = part.max;
      next.arg = part.arg;
      for (int r = 0; r < sums; ++r) next.sum[r] = part.sum[r];
      append_chunk(body, state, next);
    }
  }

  // Of an item's picked columns the first of the largest, or -1; the same in all threads.
  template <class S>
  __device__ std::int64_t largest_pick(const Body& body, const row_memory<S>& x, std::int64_t item) const {
    T top = -math::detail::infinity<T>();
    std::int64_t at = no_column;
    const auto take = [&](T other, std::int64_t place) {
      if (precedes(other, place, top, at)) top = other, at = place;
    };
    for (int k = rank % 32; k < body.picks(); k += 32)
      if (const std::int64_t column = body.picked(item, k); column >= 0)
        take(static_cast<T>(widen(x.data[column * x.stride])), k);
#pragma unroll
    for (int step = 16; step > 0; step /= 2) {
      const T other = __shfl_xor_sync(0xffffffffu, top, step);
      take(other, __shfl_xor_sync(0xffffffffu, at, step));
    }
    return at == no_column ? -1 : body.picked(item, static_cast<int>(at));
  }

  template <class S>
  __device__ void answer_picks(const Body& body, const row_memory<S>& x, std::int64_t item, bool reduced,
                               const typename Body::coefficients& c, const list_type& list) const {
    if constexpr (picks_columns<Body> || keeps_columns<Body>)
      for (int k = rank; k < body.picks(); k += threads) {
        std::int64_t column = -1;
        T number = T(0);
        if constexpr (keeps_columns<Body>) {
          if (reduced && list.column[k] != no_column) column = list.column[k], number = list.x[k];
        } else {
          if (reduced) column = body.picked(item, k);
          if (column >= 0) number = static_cast<T>(widen(x.data[column * x.stride]));
        }
        body.answer(item, k, column, number, c);
      }
  }

  // Columns [begin, end) of the gradient. Each thread finds its picked columns' before anything is overwritten.
  template <class S>
  __device__ void write_all(const Body& body, const row_reduce_arguments& a, const row_columns<S, Body>& x,
                            std::int64_t item, std::int64_t row, std::int64_t begin, std::int64_t end,
                            const row_plan& plan, const typename Body::coefficients& c) const {
    if constexpr (!picks_columns<Body>) {
      write(body, a, x, row, begin, end, plan, c);
    } else {
      T slope[most_thread_picks];
      const auto each = [&](auto f) {
        if (!plan.slopes) return;
        int n = 0;
        for (int k = rank; k < body.picks(); k += threads, ++n)
          if (const std::int64_t column = body.picked(item, k); column >= begin && column < end) f(k, column, slope[n]);
      };
      each([&](int k, std::int64_t column, T& y) {
        y = body.slope_picked(item, k, x.template at<T>(column), c);
      });
      sync();
      write(body, a, x, row, begin, end, plan, c);
      sync();
      each([&](int, std::int64_t column, T y) {
        store_element(a.gradient.data, a.gradient.type, row * a.gradient.row_stride + column * a.gradient.stride, y,
                      false);
      });
    }
  }

  // Columns [begin, end) of the gradient. Where it lies like the row, in groups of 16 bytes with single columns before
  // and behind; each thread reads what it overwrites.
  template <class S>
  __device__ void write(const Body& body, const row_reduce_arguments& a, const row_columns<S, Body>& columns,
                        std::int64_t row, std::int64_t begin, std::int64_t end, const row_plan& plan,
                        const typename Body::coefficients& c) const {
    constexpr int group = group_of<S>;
    const row_memory<S>& x = columns.x;
    S* const to = static_cast<S*>(a.gradient.data) + row * a.gradient.row_stride;  // if it is of the row's type
    const T unit = key_unit<T>(body);
    const auto slope = [&](T number, bool apart) {
      const T y = (key_of(body, number) - c.shift) * unit;
      return apart ? body.slope_left_out(number, c) : body.slope(number, y, c);
    };
    const auto single = [&](std::int64_t v) {
      const T y = plan.slopes ? slope(columns.template at<T>(v), v == plan.left_out) : static_cast<T>(plan.fill);
      store_element(a.gradient.data, a.gradient.type, row * a.gradient.row_stride + v * a.gradient.stride, y, false);
    };
    const auto address = reinterpret_cast<std::uintptr_t>(x.data + begin);
    const bool alike = a.gradient.type == element_tag<S> && x.stride == 1 && a.gradient.stride == 1 &&
                       (reinterpret_cast<std::uintptr_t>(to) - reinterpret_cast<std::uintptr_t>(x.data)) % 16 == 0;
    const std::int64_t head = static_cast<std::int64_t>((16 - address % 16) % 16 / sizeof(S));
    const std::int64_t first = !alike || begin + head > end ? end : begin + head;
    const std::int64_t last = first + (end - first) / group * group;
    const bool both = joins_rows<Body> && columns.alike();
    for (std::int64_t v = begin + rank; v < first; v += threads) single(v);
    for (std::int64_t v = first + rank * group; v < last; v += static_cast<std::int64_t>(threads) * group) {
      union {
        row_words words;
        S element[group];
      } out;
      if (plan.slopes) {
        T in[group];
        columns.load_aligned(v, both, in);
#pragma unroll
        for (int i = 0; i < group; ++i) out.element[i] = narrow<S>::from(slope(in[i], false));
        if (in_group(plan.left_out, v, group)) {
#pragma unroll
          for (int i = 0; i < group; ++i)
            if (v + i == plan.left_out) out.element[i] = narrow<S>::from(slope(in[i], true));
        }
      } else {
#pragma unroll
        for (int i = 0; i < group; ++i) out.element[i] = narrow<S>::from(static_cast<T>(plan.fill));
      }
      *reinterpret_cast<row_words*>(to + v) = out.words;
    }
    for (std::int64_t v = last + rank; v < end; v += threads) single(v);
  }
};

// By one thread, once the states of a row's chunks are known.
template <class T, class S, class Body>
static __device__ typename Body::coefficients finish_on_device(const Body& body, const row_memory<S>& x,
                                                               std::int64_t item, const row_plan& plan,
                                                               const row_state<Body::sums>& state,
                                                               content_report* report) {
  if (plan.code != errc::ok) report_content(report, plan.code, item);
  const bool reads = plan.left_out >= 0 && plan.reduces;
  const double omitted =
      reads ? static_cast<double>(body.value(static_cast<T>(widen(x.data[plan.left_out * x.stride])))) : 0;
  return body.finish(item, plan, state, omitted);
}

template <class T, class S, class Body>
static __global__ void __launch_bounds__(reduce_threads)
    row_reduce_kernel(const Body unready, const row_reduce_arguments a, const row_chunks cut, const row_launch kind,
                      const int threads, const row_exchange<Body> exchange) {
  using team_type = row_team<T, Body>;
  __shared__ typename team_type::shared memory[team_type::warps];
  __shared__ typename team_type::list_type::shared lists;
  const Body body = unready.ready();
  const int teams = reduce_threads / threads, nth = static_cast<int>(threadIdx.x) / threads;
  const team_type team{memory[nth], threads, static_cast<int>(threadIdx.x) % threads, lists};
  const bool whole = kind == row_launch::whole;
  const std::int64_t pieces = whole ? 1 : cut.count;

  for (std::int64_t unit = static_cast<std::int64_t>(blockIdx.x) * teams + nth; unit < a.items * pieces;
       unit += static_cast<std::int64_t>(gridDim.x) * teams) {
    const std::int64_t item = unit / pieces;
    const std::int64_t from = whole ? 0 : unit % pieces, to = whole ? cut.count : from + 1;
    if (team.rank == 0) {
      team.memory.row = row_of(a, item);
      team.memory.plan = plan_of(body, item, team.memory.row);
    }
    team.sync();
    row_plan plan = team.memory.plan;
    const std::int64_t row = team.memory.row;
    const row_columns<S, Body> columns(body, a, row < 0 ? 0 : row);
    const row_memory<S>& x = columns.x;
    if constexpr (picks_columns<Body>)
      if (kind != row_launch::write && plan.reduces) plan.left_out = team.largest_pick(body, x, item);

    row_state<Body::sums> state;
    typename team_type::list_type list = team.list(body);
    if (kind != row_launch::write && plan.reduces) {
      for (std::int64_t k = from; k < to; ++k) {
        const auto chunk = team.reduce_chunk(body, columns, cut.begin(k), cut.end(k), plan.left_out, a.arg, list);
        if (team.rank == 0) append_chunk(body, state, chunk);
      }
      if constexpr (keeps_columns<Body>) list.settle();
    }
    bool finishes = whole;
    if (kind == row_launch::reduce) {
      team.publish(exchange, item, from, pieces, state, list);
      team.sync();
      finishes = team.memory.last;
      if (finishes && plan.reduces) {
        state = {};
        list = team.list(body);
        team.fetch(body, exchange, item, pieces, state, list);
        if constexpr (keeps_columns<Body>) list.settle();
      }
    }
    if constexpr (keeps_columns<Body>) plan.left_out = state.arg;
    if (team.rank == 0) {
      if (finishes || exchange.answers == nullptr)
        team.memory.answer = finish_on_device<T>(body, x, item, plan, state, exchange.report);
      if (finishes && exchange.answers != nullptr) exchange.answers[item] = team.memory.answer;
      if (kind == row_launch::write && exchange.answers != nullptr) team.memory.answer = exchange.answers[item];
    }
    team.sync();
    if (finishes) team.answer_picks(body, x, item, plan.reduces, team.memory.answer, list);
    if (kind != row_launch::reduce && a.gradient.data != nullptr && row >= 0) {
      const typename Body::coefficients c = team.memory.answer;
      team.write_all(body, a, columns, item, row, cut.begin(from), cut.end(to - 1), plan, c);
    }
    team.sync();
  }
}

template <class Body>
int threads_per_row(const Body& body, std::int64_t columns) {
  bool few = true;  // picked columns
  if constexpr (picks_columns<Body>) few = body.picks() <= 32 * most_thread_picks;
  return columns <= warp_columns && few ? 32 : reduce_threads;
}

template <class T, class S, class Body>
status launch_row_reduce(const cuda& exec, const Body& body, const row_reduce_arguments& a, const row_chunks& cut,
                         row_launch kind, const row_exchange<Body>& exchange) {
  const int threads = threads_per_row(body, a.columns);
  const std::int64_t units = a.items * (kind == row_launch::whole ? 1 : cut.count), teams = reduce_threads / threads;
  const std::int64_t blocks = (units + teams - 1) / teams;
  row_reduce_kernel<T, S, Body>
      <<<static_cast<unsigned>(blocks < reduce_max_blocks ? blocks : reduce_max_blocks), reduce_threads, 0,
         exec.stream.stream>>>(body, a, cut, kind, threads, exchange);
  return launch_status("row_reduce");
}

template <class T, class Body>
status launch_row_reduce(const cuda& exec, const Body& body, const row_reduce_arguments& a, const row_chunks& cut,
                         row_launch kind, const row_exchange<Body>& exchange) {
  switch (a.x.type) {
    case element::f64: return launch_row_reduce<T, double>(exec, body, a, cut, kind, exchange);
    case element::f32: return launch_row_reduce<T, float>(exec, body, a, cut, kind, exchange);
    case element::f16: return launch_row_reduce<T, half>(exec, body, a, cut, kind, exchange);
    default: return launch_row_reduce<T, bfloat16>(exec, body, a, cut, kind, exchange);
  }
}

// Columns that a chunk keeps.
template <class Body>
constexpr std::size_t kept_columns() {
  if constexpr (keeps_columns<Body>)
    return Body::most_kept;
  else
    return 0;
}

// Whether blocks share rows.
inline bool shares_rows(std::int64_t items, const row_chunks& cut) { return cut.count > 1 && items < many_rows; }

}  // namespace detail

// Bytes of workspace for row_reduce of M items of V columns; 0 where none is used.
template <class Body>
std::size_t row_reduce_workspace(std::int64_t items, std::int64_t columns) {
  const detail::row_chunks cut(columns);
  if (items < 1 || !detail::shares_rows(items, cut)) return 0;
  const auto n = static_cast<std::size_t>(items);
  const std::size_t chunks = n * static_cast<std::size_t>(cut.count);
  return detail::scratch_alignment + detail::scratch_bytes<row_state<Body::sums>>(chunks) +
         detail::scratch_bytes<detail::kept_column>(chunks * detail::kept_columns<Body>()) +
         detail::scratch_bytes<typename Body::coefficients>(n) + detail::scratch_bytes<unsigned>(n);
}

template <class T, class Body>
status row_reduce(const cuda& exec, const Body& body, const row_reduce_arguments& a) {
  using detail::row_launch;
  if (a.items < 1) return {};
  const detail::row_chunks cut(a.columns);
  detail::row_exchange<Body> exchange;
  exchange.report = exec.report;
  if (!body.reduces()) return detail::launch_row_reduce<T>(exec, body, a, cut, row_launch::write, exchange);
  if (!detail::shares_rows(a.items, cut))
    return detail::launch_row_reduce<T>(exec, body, a, cut, row_launch::whole, exchange);
  detail::scratch memory;
  if (const status s = memory.reserve(exec, row_reduce_workspace<Body>(a.items, a.columns)); !s.ok()) return s;
  const auto n = static_cast<std::size_t>(a.items);
  const std::size_t chunks = n * static_cast<std::size_t>(cut.count);
  exchange.states = memory.take<row_state<Body::sums>>(chunks);
  exchange.kept = memory.take<detail::kept_column>(chunks * detail::kept_columns<Body>());
  exchange.answers = memory.take<typename Body::coefficients>(n);
  exchange.finished = memory.take<unsigned>(n);
  if (const status s = detail::cuda_status(
          cudaMemsetAsync(exchange.finished, 0, n * sizeof(unsigned), exec.stream.stream), "cudaMemsetAsync");
      !s.ok())
    return s;
  const status reduced = detail::launch_row_reduce<T>(exec, body, a, cut, row_launch::reduce, exchange);
  if (!reduced.ok() || a.gradient.data == nullptr) return reduced;
  return detail::launch_row_reduce<T>(exec, body, a, cut, row_launch::write, exchange);
}

}  // namespace PREFER_ABI
}  // namespace prefer
