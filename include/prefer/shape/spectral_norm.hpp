// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/matrix_product.hpp>
#include <prefer/backend/cpu/matrix_vector.hpp>
#include <prefer/core/random.hpp>
#include <prefer/shape/detail/layers.hpp>
#include <prefer/shape/detail/matrix_norms.hpp>
#include <prefer/shape/detail/upper_bound.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

// The spectral norm of a layer's weight by power iteration, certified from above if asked for; the weight divided by
// either, and the gradient through that.
namespace prefer {

// How long to iterate, and what to divide by.
struct spectral_norm {
  enum class divisor : std::uint8_t { sigma, bound };

  std::int64_t iterations = 1;         // at most
  scalar tolerance = 0.0;              // stop when half an iteration adds no more than this part to sigma; 0: never
  random_seed seed = 0;                // of the start where none is given
  int gram_doublings = 0;              // of the bound, see find_spectral_norm
  divisor divide_by = divisor::sigma;  // what `normalized` is divided by

  constexpr status check() const {
    return first_error(
        require::that(iterations >= 1, "iterations", static_cast<double>(iterations), "1 or more"),
        require::not_negative(tolerance, "tolerance"),
        require::that(!seed.missing(), "seed", 0, "a number or a pointer to one"),
        require::that(gram_doublings >= 0 && gram_doublings <= 20, "gram_doublings", gram_doublings, "from 0 to 20"));
  }
};

// A weight of m rows (outputs) and n columns (inputs).
template <space S>
struct spectral_norm_inputs {
  input_view<2, S> weight = {};  // [m, n]
  input_view<1, S> start = {};   // [m]: the left vector of the last call; may be zeros, and `left` itself
};
// Any of them may be left out, not all.
template <space S>
struct spectral_norm_outputs {
  output_view<1, S> sigma = {};       // 1; double or float
  output_view<1, S> bound = {};       // 1: an upper bound of the norm; double or float
  output_view<1, S> left = {};        // [m]: unit vectors with left^T W right = sigma
  output_view<1, S> right = {};       // [n]
  output_view<1, S> iterations = {};  // 1: how many were done, int32 or int64
  output_view<1, S> converged = {};   // 1, bool or uint8: whether the tolerance was met
  output_view<2, S> normalized = {};  // [m, n]: W / sigma, or W / bound; may be the weight itself
};

template <space S>
struct spectral_gradient_inputs {
  input_view<2, S> weight = {};    // [m, n]: not yet normalized
  input_view<2, S> upstream = {};  // [m, n]: derivatives of an objective by the normalized weight
  input_view<1, S> left = {};      // [m], [n] and 1: as find_spectral_norm left them
  input_view<1, S> right = {};
  input_view<1, S> sigma = {};
  input_view<1, S> bound = {};  // if that is what the weight was divided by
};
template <space S>
struct spectral_gradient_outputs {
  output_view<2, S> grad_weight = {};  // [m, n]; may be `upstream` or `weight` itself
};

inline namespace PREFER_ABI {
namespace detail {

inline constexpr std::uint64_t spectral_stream = 0x5370656374726c00;  // "Spectrl"

// Where an iteration is.
struct spectral_progress {
  double sigma = 0;
  double ahead = 0;  // |W^T left|, which sigma is at least after the next product
  std::int64_t iterations = 0;
  bool done = false;
  double divisor = 1;
};

PREFER_HD double divisor_of(double norm) { return norm == 0 ? 1 : norm; }

struct spectral_sinks {
  sink sigma, bound, left, right, iterations, converged;
};

// The vectors of one iteration, and its steps between the products, written once for a team: the thread of a call on
// the CPU, or a block.
template <class T>
struct spectral_vectors {
  std::int64_t rows = 0, columns = 0, most = 1;
  source start;
  scalar tolerance = 0.0;
  random_seed seed = 0;
  T *left = nullptr, *right = nullptr, *product = nullptr, *partial = nullptr;
  double* wide = nullptr;  // [columns]: W^T left before it is a unit vector
  spectral_progress* at = nullptr;

  template <class Memory>
  void carve(Memory& memory) {
    left = memory.template take<T>(rows);
    product = memory.template take<T>(rows);
    right = memory.template take<T>(columns);
    partial = memory.template take<T>(matrix_pieces(rows) * columns);
    wide = memory.template take<double>(columns);
    at = memory.template take<spectral_progress>(1);
  }
  bool looks_ahead() const { return !tolerance.is_zero(); }

  PREFER_HD double drawn(std::uint64_t number, std::int64_t i) const {
    return 2 * to_uniform(draw_pair(number, spectral_stream, static_cast<std::uint64_t>(i)).first) - 1;
  }
  // Left: the start as a unit vector, or a random one for a start that is none.
  template <class Team>
  PREFER_HD void begin(const Team& team) const {
    const bool given = start.data != nullptr;
    const auto squares = [&](const auto& x) PREFER_HD_LAMBDA {
      return team.total(rows, [&](std::int64_t i) PREFER_HD_LAMBDA { return x(i) * x(i); });
    };
    const auto from = [&](std::int64_t i) PREFER_HD_LAMBDA { return read_item<double>(start, i); };
    const double length = given ? squares(from) : 0;
    const bool usable = length > 0 && length < math::detail::infinity<double>();
    const std::uint64_t number = usable ? 0 : seed.get();
    const auto random = [&](std::int64_t i) PREFER_HD_LAMBDA { return drawn(number, i); };
    const double by = 1 / math::sqrt(usable ? length : squares(random));
    team.each(rows,
              [&](std::int64_t i) PREFER_HD_LAMBDA { left[i] = static_cast<T>((usable ? from(i) : random(i)) * by); });
    team.once([&]() PREFER_HD_LAMBDA { *at = {}; });
  }
  // After a product with W^T of `length` times a unit vector: right, unless sigma has converged.
  template <class Team>
  PREFER_HD void advance(const Team& team, double length) const {
    team.each(columns,
              [&](std::int64_t j) PREFER_HD_LAMBDA { wide[j] = add_pieces(partial, matrix_pieces(rows), columns, j); });
    const double norm =
        math::sqrt(team.total(columns, [&](std::int64_t j) PREFER_HD_LAMBDA { return wide[j] * wide[j]; }));
    const double ahead = norm / length, enough = at->sigma * (1 + tolerance.as<double>());
    const bool done = at->iterations > 0 && ((!tolerance.is_zero() && ahead <= enough) || at->iterations == most);
    if (!done)
      team.each(columns,
                [&](std::int64_t j) PREFER_HD_LAMBDA { right[j] = norm == 0 ? T(0) : static_cast<T>(wide[j] / norm); });
    const bool met = ahead <= enough;
    team.once([&]() PREFER_HD_LAMBDA {
      at->ahead = ahead;
      at->done = done && met;
    });
  }
  // After product = W right.
  template <class Team>
  PREFER_HD void measure(const Team& team) const {
    const double length = math::sqrt(squares_of(team, product, rows)),
                 by = math::sqrt(squares_of(team, right, columns));
    team.once([&]() PREFER_HD_LAMBDA {
      at->sigma = by == 0 ? 0 : length / by;
      ++at->iterations;
    });
  }
  // Left = W right as a unit vector; it stays what it was where that is 0.
  template <class Team>
  PREFER_HD void settle(const Team& team) const {
    const double length = math::sqrt(squares_of(team, product, rows));
    if (length == 0) return;
    team.each(rows, [&](std::int64_t i)
                        PREFER_HD_LAMBDA { left[i] = static_cast<T>(static_cast<double>(product[i]) / length); });
  }
  template <class Team>
  static PREFER_HD double squares_of(const Team& team, const T* x, std::int64_t n) {
    return team.total(
        n, [&](std::int64_t i) PREFER_HD_LAMBDA { return static_cast<double>(x[i]) * static_cast<double>(x[i]); });
  }
};

// The bound from what has been added up.
struct spectral_bound {
  norm_sums sums;
  int doublings = 0;
  double* gram[2] = {};  // [order, order] each
  gram_norms* norms = nullptr;

  std::int64_t order() const { return smaller(sums.rows, sums.columns); }
  std::int64_t inner() const { return sums.rows + sums.columns - order(); }
  template <class Memory>
  void carve(Memory& memory) {
    sums.carve_rows(memory), sums.carve_columns(memory);
    if (doublings == 0) return;
    for (int k = 0; k < (doublings > 1 ? 2 : 1); ++k) gram[k] = memory.template take<double>(order() * order());
    norms = memory.template take<gram_norms>(1);
  }
  // The norm of the matrix number `level`.
  template <class Team>
  PREFER_HD void measure(const Team& team, int level, std::int64_t entries) const {
    const double* const g = gram[level % 2];
    const double norm = math::sqrt(team.total(entries, [&](std::int64_t e) PREFER_HD_LAMBDA { return g[e] * g[e]; }));
    team.once([&]() PREFER_HD_LAMBDA { norms->norm[level] = norm, norms->scale[level] = unit_scale(norm); });
  }
  template <class Team>
  PREFER_HD double find(const Team& team) const {
    const std::int64_t m = sums.rows, n = sums.columns;
    if (m == 0 || n == 0) return 0;
    const double squares = team.total(m, [&](std::int64_t i) PREFER_HD_LAMBDA { return sums.row_squares[i]; });
    const double along_rows = team.largest(m, [&](std::int64_t i) PREFER_HD_LAMBDA { return sums.row_sum[i]; });
    const double along_columns = team.largest(
        n, [&](std::int64_t j) PREFER_HD_LAMBDA { return add_pieces(sums.partial, matrix_pieces(m), n, j); });
    if (math::is_nan(squares)) return squares;
    const double up = sum_slack(m + n);
    double bound = math::sqrt(along_rows) * math::sqrt(along_columns) * up;
    if (!squares_in_range(squares)) return bound;
    bound = math::min(bound, math::sqrt(squares) * up);
    if (doublings == 0) return bound;
    const double tight = gram_bound(*norms, doublings, m < n ? m : n, m < n ? n : m, squares * up);
    return tight < bound ? tight : bound;
  }
};

// What follows the iteration.
template <class T>
struct spectral_finish {
  spectral_vectors<T> vectors;
  spectral_bound bound;
  bool certified = false, by_bound = false;
  spectral_sinks out;

  template <class Team>
  PREFER_HD void operator()(const Team& team) const {
    const double above = certified ? bound.find(team) : 0;
    team.each(vectors.rows, [&](std::int64_t i) PREFER_HD_LAMBDA {
      write_item(out.left, i, true, static_cast<double>(vectors.left[i]), false);
    });
    team.each(vectors.columns, [&](std::int64_t j) PREFER_HD_LAMBDA {
      write_item(out.right, j, true, static_cast<double>(vectors.right[j]), false);
    });
    team.once([&]() PREFER_HD_LAMBDA {
      const spectral_progress& at = *vectors.at;
      vectors.at->divisor = divisor_of(by_bound ? above : at.sigma);
      write_item(out.sigma, 0, true, at.sigma, false);
      write_item(out.bound, 0, true, not_below(above, out.bound.type), false);
      write_index(out.iterations, 0, at.iterations);
      write_flag(out.converged, 0, at.done);
    });
  }
};

enum class spectral_step : std::uint8_t { begin, advance, measure, settle, finish };

template <class T>
struct spectral_job {
  spectral_finish<T> all;

  template <class Team>
  PREFER_HD void operator()(const Team& team, spectral_step step, double length) const {
    if (step == spectral_step::begin) all.vectors.begin(team);
    if (step == spectral_step::advance) all.vectors.advance(team, length);
    if (step == spectral_step::measure) all.vectors.measure(team);
    if (step == spectral_step::settle) all.vectors.settle(team);
    if (step == spectral_step::finish) all(team);
  }
};

struct vector_thread {
  template <class F>
  PREFER_HD void each(std::int64_t n, const F& f) const {
    for (std::int64_t i = 0; i < n; ++i) f(i);
  }
  template <class F>
  PREFER_HD double total(std::int64_t n, const F& f) const {
    double sum[4] = {};  // an addition waits for the one before it
    std::int64_t i = 0;
    for (; i + 4 <= n; i += 4)
      for (int k = 0; k < 4; ++k) sum[k] += f(i + k);
    for (; i < n; ++i) sum[0] += f(i);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
  }
  template <class F>
  PREFER_HD double largest(std::int64_t n, const F& f) const {
    double most = 0;
    for (std::int64_t i = 0; i < n; ++i) most = math::max(f(i), most);
    return most;
  }
  template <class F>
  PREFER_HD void once(const F& f) const {
    f();
  }
};

// Power iteration. The CPU makes both products of a step in one read of the weight.
template <class T>
status iterate_power(const cpu& exec, const spectral_job<T>& job, const row_source& weight) {
  const spectral_vectors<T>& v = job.all.vectors;
  const vector_thread team;
  v.begin(team);
  matrix_vector_arguments<T> a;
  a.rows = v.rows, a.columns = v.columns, a.matrix = weight;
  a.product = v.left, a.partial = v.partial;
  if (const status s = matrix_vector(exec, a); !s.ok()) return s;
  v.advance(team, 1);
  a.right = v.right, a.product = v.product;
  while (v.at->iterations < v.most && !v.at->done) {
    const bool last = v.at->iterations + 1 == v.most && !v.looks_ahead();
    a.partial = last ? nullptr : v.partial;
    a.scale = 1 / divisor_of(v.at->ahead);  // the product has about that length
    if (const status s = matrix_vector(exec, a); !s.ok()) return s;
    v.measure(team);
    if (last) break;
    v.advance(team, divisor_of(math::sqrt(v.squares_of(team, v.product, v.rows)) * a.scale));
  }
  v.settle(team);
  return {};
}
template <class T>
status run_step(const cpu&, const spectral_job<T>& job, spectral_step step) {
  job(vector_thread{}, step, 1);
  return {};
}
inline status measure_gram(const cpu&, const spectral_bound& bound, int level) {
  bound.measure(vector_thread{}, level, bound.order() * bound.order());
  return {};
}

// (x0 - <x0, W> / sigma left_i x1) / divisor, which without `inner` is x0 / divisor; or the sum of x0 x1. One score, so
// that it is compiled once.
struct spectral_rows {
  source divisor, sigma, left;
  const double* inner = nullptr;
  bool adds = false;

  static constexpr int arrays = 2, gradients = 1, factors = 2;
  template <class T>
  PREFER_HD void begin(std::int64_t item, T (&f)[factors]) const {
    const double by = adds ? 0 : 1 / divisor_of(read_item<double>(divisor, 0));
    const double norm = inner == nullptr ? 0 : read_item<double>(sigma, 0);
    f[0] = static_cast<T>(by);
    f[1] = norm == 0 ? T(0) : static_cast<T>(*inner / norm * by * read_item<double>(left, item));
  }
  PREFER_HD bool reduces() const { return adds; }
  template <class V>
  PREFER_HD V term(const V (&x)[arrays], const V (&)[factors]) const {
    return x[0] * x[1];
  }
  template <class V>
  PREFER_HD void slopes(const V (&x)[arrays], const V (&f)[factors], V (&slope)[gradients]) const {
    slope[0] = f[0] * x[0] - f[1] * x[1];
  }
};

template <class T>
struct spectral_call {
  using value_type = T;
  spectral_job<T> job;
  row_source weight;
  row_sink normalized;

  template <class Memory>
  void carve(Memory& memory) {
    job.all.vectors.carve(memory);
    if (job.all.certified) job.all.bound.carve(memory);
  }
  std::int64_t maps() const { return job.all.vectors.rows; }

  template <class Exec>
  status run(const Exec& exec) const {
    if (const status s = iterate_power(exec, job, weight); !s.ok()) return s;
    if (job.all.certified)
      if (const status s = add_bound(exec, job.all.bound); !s.ok()) return s;
    if (const status s = run_step(exec, job, spectral_step::finish); !s.ok()) return s;
    if (normalized.data == nullptr) return {};
    auto a = rows_of_layer<spectral_rows>(job.all.vectors.rows, job.all.vectors.columns);
    a.row[0][0] = weight, a.gradient[0][0] = normalized;
    const spectral_rows divided{.divisor = {&job.all.vectors.at->divisor, 1, element::f64}, .sigma = {}, .left = {}};
    return row_map_reduce<T>(exec, divided, layer_rows{}, a);
  }
  template <class Exec>
  status add_bound(const Exec& exec, const spectral_bound& b) const {
    if (const status s = add_norms(exec, b.sums); !s.ok()) return s;
    matrix_product_shape<double> shape;
    shape.rows = shape.columns = b.order(), shape.inner = b.inner(), shape.symmetric = true;
    stored_side<double> side{b.sums.columns <= b.sums.rows ? weight : transposed(weight)};
    for (int level = 0; level < b.doublings && shape.rows > 0; ++level) {
      shape.out = b.gram[level % 2];
      status s = matrix_product(exec, side, side, shape);
      if (s.ok()) s = measure_gram(exec, b, level);
      if (!s.ok()) return s;
      side = {{shape.out, shape.rows, 1, element::f64}, b.norms->scale + level};  // the next is its square
      shape.inner = shape.rows;
    }
    return {};
  }
};

template <space S>
status check_spectral_norm(const spectral_norm_inputs<S>& in, const spectral_norm_outputs<S>& out) {
  using require::holds;
  layer_checks<2, 7> call(in.weight);
  call.look(some_output(out.sigma, out.bound, out.left, out.right, out.iterations, out.converged, out.normalized));
  call.matrix("weight", in.weight), call.matrix("normalized", out.normalized);
  call.vector("start", in.start, call.rows, "one per row of the weight,");
  call.vector("left", out.left, call.rows, "one per row of the weight,");
  call.vector("right", out.right, call.columns, "one per column of the weight,");
  call.number("sigma", out.sigma), call.number("bound", out.bound);
  call.number("iterations", out.iterations, holds::indices), call.number("converged", out.converged, holds::flags);
  call.read("weight", in.weight, out.normalized), call.read("start", in.start, out.left);
  call.write("sigma", out.sigma), call.write("bound", out.bound), call.write("left", out.left);
  call.write("right", out.right), call.write("iterations", out.iterations), call.write("converged", out.converged);
  call.write("normalized", out.normalized);
  return call.check();
}

// f(call) with the call's type.
template <space S, class F>
auto with_spectral_call(const spectral_norm& o, const spectral_norm_inputs<S>& in, const spectral_norm_outputs<S>& out,
                        F f) {
  const auto make = [&](auto zero) {
    spectral_call<decltype(zero)> c;
    auto& all = c.job.all;
    all.vectors.rows = in.weight.extent[0], all.vectors.columns = in.weight.extent[1];
    all.vectors.most = o.iterations, all.vectors.tolerance = o.tolerance, all.vectors.seed = o.seed;
    all.vectors.start = place_of(in.start);
    all.by_bound = o.divide_by == spectral_norm::divisor::bound;
    all.certified = out.bound.given() || (all.by_bound && out.normalized.given());
    all.bound.sums.rows = all.vectors.rows, all.bound.sums.columns = all.vectors.columns;
    all.bound.sums.matrix = c.weight = place_of(in.weight);
    all.bound.doublings = o.gram_doublings;
    all.out = {place_of(out.sigma), place_of(out.bound),      place_of(out.left),
               place_of(out.right), place_of(out.iterations), place_of(out.converged)};
    c.normalized = place_of(out.normalized);
    return f(c);
  };
  return in.weight.type == element::f64 ? make(double{}) : make(float{});
}

}  // namespace detail

// Bytes of workspace: vectors of the weight's extents, and partial sums of an eighth of its size (a row at least); for
// the bound with gram_doublings one or two matrices of doubles of min(m, n) squared. 0 for views that do not fit
// together.
template <class Exec>
std::size_t spectral_norm_workspace(const Exec& exec, const spectral_norm& options,
                                    const std::type_identity_t<spectral_norm_inputs<Exec::memory>>& in,
                                    const std::type_identity_t<spectral_norm_outputs<Exec::memory>>& out) {
  if (!first_error(options.check(), detail::check_spectral_norm(in, out)).ok()) return 0;
  return detail::with_spectral_call(options, in, out, [&](auto& call) { return layer_bytes(exec, call); });
}

// The largest singular value of a weight W [m, n], the Lipschitz constant of x -> W x in the Euclidean norm, by power
// iteration from the left vector u of the last call:
//
//   v = W^T u / |W^T u|, then `iterations` times:  sigma = |W v|,  u = W v / sigma,  v = W^T u / |W^T u|
//
// of which the last v is not taken; so u^T W v = sigma. With warm starts one iteration per training step does
// (`iterations = 1` is what PyTorch's spectral_norm does per forward pass, and sigma the same).
//
//   find_spectral_norm(cpu{.pool = pool}, {}, {.weight = {w, m, n}, .start = {u, m}},
//                      {.sigma = {&sigma, 1}, .left = {u, m}, .right = {v, n}, .normalized = {unit, m, n}});
//
// sigma never decreases from half an iteration to the next, and is at most |W|: a *lower* bound, so that |W / sigma|
// is 1 or more. With a tolerance the iteration ends once |W^T u| <= sigma (1 + tolerance). That bounds the change and
// not the error, which is larger where the second singular value is close.
//
// `bound` is an upper bound, in floating point too (all of it in double, rounded outwards): the smaller of
//
//   sqrt(max_i sum_j |W_ij|  max_j sum_i |W_ij|)                            for one more read of W
//   trace((W^T W)^(2^d))^(1 / 2^(d + 1)),   d = gram_doublings               d = 0: the Frobenius norm
//
// The latter is at most r^(1 / 2^(d + 1)) |W|, r the rank: d = 1 costs m n min(m, n) operations, every further d
// min(m, n)^3. With divisor::bound the norm of `normalized` is at most 1, but for its own rounding to its type.
//
// A start that is not given, zero or not finite is replaced by random numbers of `seed`: a state may begin as zeros.
// For W = 0 (or a start with W^T u = 0) sigma is 0, right is 0, left stays as it was, and W is divided by 1. A NaN in W
// reaches everything.
//
// Arithmetic in float, in double if W is double (sums as in backend/matrix_vector.hpp); singular values between 1e-18
// and 1e18 in float. sigma may pass |W| by some roundings, 1e-6 |W| in float. Cost 4 m n operations per iteration and
// iterations + 1 reads of W on the CPU, twice that on CUDA. There an iteration is four launches, as many as the options
// say, and a tolerance is looked at on the device. The same bits for any number of threads. spectral_norm_workspace
// bytes of the workspace, or one allocation on the CPU and memory in stream order on CUDA. Errors: options, shapes,
// types, overlap (but `left` may be `start`, and `normalized` the weight); nothing has been written then.
//
// Sources: Miyato et al. 2018, arXiv 1802.05957, algorithm 1, and PyTorch's spectral_norm; the first bound is
// Riesz-Thorin's (Schur's test), the second elementary, its error term is derived in docs/shape/networks.md.
template <class Exec>
status find_spectral_norm(const Exec& exec, const spectral_norm& options,
                          const std::type_identity_t<spectral_norm_inputs<Exec::memory>>& in,
                          const std::type_identity_t<spectral_norm_outputs<Exec::memory>>& out) {
  if (const status s = first_error(options.check(), detail::check_spectral_norm(in, out)); !s.ok()) return s;
  return detail::with_spectral_call(options, in, out, [&](auto& call) { return run_layer(exec, call); });
}

namespace detail {

template <class T>
struct spectral_gradient_call {
  using value_type = T;
  std::int64_t rows, columns;
  row_source weight, upstream;
  source left, right, sigma, divisor;
  row_sink gradient;
  double* inner = nullptr;

  template <class Memory>
  void carve(Memory& memory) {
    inner = memory.template take<double>(1);
  }
  std::int64_t maps() const { return rows; }
  template <class Exec>
  status run(const Exec& exec) const {
    auto product = rows_of_layer<spectral_rows>(rows, columns);
    product.row[0][0] = upstream, product.row[0][1] = weight;
    product.items.sum[0] = {inner, element::f64, false};
    const spectral_rows added{.divisor = {}, .sigma = {}, .left = {}, .adds = true};
    if (const status s = row_map_reduce<T>(exec, added, layer_rows{}, product); !s.ok()) return s;
    auto map = rows_of_layer<spectral_rows>(rows, columns);
    map.row[0][0] = upstream, map.row[0][1] = for_every_row(right);
    map.gradient[0][0] = gradient;
    return row_map_reduce<T>(exec, spectral_rows{divisor, sigma, left, inner}, layer_rows{}, map);
  }
};

template <space S>
status check_spectral_gradient(const spectral_gradient_inputs<S>& in, const spectral_gradient_outputs<S>& out) {
  layer_checks<6, 1> call(in.weight);
  const auto needed = [&](const char* name, const auto& v, const char* what) {
    if (!v.given()) call.look(require::fail(errc::missing_input, name, what));
  };
  needed("upstream", in.upstream, "derivatives by the normalized weight");
  needed("left", in.left, "the vector that find_spectral_norm left");
  needed("right", in.right, "the vector that find_spectral_norm left");
  needed("sigma", in.sigma, "the norm that find_spectral_norm left");
  if (!out.grad_weight.given())
    call.look(require::fail(errc::missing_output, "grad_weight", "a matrix as large as the weight"));
  call.matrix("weight", in.weight), call.matrix("upstream", in.upstream), call.matrix("grad_weight", out.grad_weight);
  call.vector("left", in.left, call.rows, "one per row of the weight,");
  call.vector("right", in.right, call.columns, "one per column of the weight,");
  call.number("sigma", in.sigma), call.number("bound", in.bound);
  call.read("weight", in.weight, out.grad_weight), call.read("upstream", in.upstream, out.grad_weight);
  call.read("left", in.left), call.read("right", in.right), call.read("sigma", in.sigma), call.read("bound", in.bound);
  call.write("grad_weight", out.grad_weight);
  return call.check();
}

template <space S, class F>
auto with_spectral_gradient_call(const spectral_gradient_inputs<S>& in, const spectral_gradient_outputs<S>& out, F f) {
  const auto make = [&](auto zero) {
    spectral_gradient_call<decltype(zero)> c;
    c.rows = in.weight.extent[0], c.columns = in.weight.extent[1];
    c.weight = place_of(in.weight), c.upstream = place_of(in.upstream);
    c.left = place_of(in.left), c.right = place_of(in.right), c.sigma = place_of(in.sigma);
    c.divisor = in.bound.given() ? place_of(in.bound) : c.sigma;
    c.gradient = place_of(out.grad_weight);
    return f(c);
  };
  return in.weight.type == element::f64 || in.upstream.type == element::f64 ? make(double{}) : make(float{});
}

}  // namespace detail

// Bytes of workspace for propagate_spectral_norm. 0 for views that do not fit together.
template <class Exec>
std::size_t propagate_spectral_norm_workspace(
    const Exec& exec, const std::type_identity_t<spectral_gradient_inputs<Exec::memory>>& in,
    const std::type_identity_t<spectral_gradient_outputs<Exec::memory>>& out) {
  if (!detail::check_spectral_gradient(in, out).ok()) return 0;
  return detail::with_spectral_gradient_call(in, out, [&](auto& call) { return layer_bytes(exec, call); });
}

// The derivative of an objective by W from G, that by the normalized weight: with d sigma / dW = u v^T,
//
//   dL/dW = (G - <G, W> / sigma  u v^T) / sigma
//
// of which only the component along W is missing, <dL/dW, W> = 0: W / sigma does not change with the length of W. That
// is exact for u and v as they are, constant (as PyTorch has it), and the derivative of W / |W| once they have
// converged and the largest singular value is single. With `bound` the outer division is by it, and bound / sigma is
// held constant. Where sigma is 0 the gradient is G.
//
// Two reads of G and one of W; arithmetic in float, in double if W or G is. On CUDA two launches.
// propagate_spectral_norm_workspace bytes of the workspace, or one allocation on the CPU and memory in stream order on
// CUDA. Errors: shapes, types, overlap (but the gradient may lie where G or W does), what is missing; nothing has been
// written then.
template <class Exec>
status propagate_spectral_norm(const Exec& exec, const std::type_identity_t<spectral_gradient_inputs<Exec::memory>>& in,
                               const std::type_identity_t<spectral_gradient_outputs<Exec::memory>>& out) {
  if (const status s = detail::check_spectral_gradient(in, out); !s.ok()) return s;
  return detail::with_spectral_gradient_call(in, out, [&](auto& call) { return run_layer(exec, call); });
}

}  // namespace PREFER_ABI
}  // namespace prefer
