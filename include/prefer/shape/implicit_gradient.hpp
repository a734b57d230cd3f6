// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/backend/cpu/map_reduce.hpp>
#include <prefer/core/arena.hpp>
#include <prefer/core/checks.hpp>
#include <prefer/core/math.hpp>
#include <prefer/core/shapes.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

// Gradients through a fixed point, without matrices: how an outer objective at the parameters that an inner problem
// settles at changes with what the inner problem is given (the weights of a blend of rewards, say).
namespace prefer {

// How H x = -v is solved, where H is symmetric and known by its products alone.
//
//   conjugate_gradient   H negative definite, as at a strict maximum; at most n iterations without rounding
//   normal_equations     any symmetric H: conjugate gradient on H H x = -H v, two products per iteration
//   neumann              x <- x + step (v + H x), the sum of step (I + step H)^i v: converges if |1 + step lambda| < 1
//                        for every eigenvalue lambda of H, so all below 0 and step < 2 / max |lambda|
enum class implicit_method : std::uint8_t { conjugate_gradient, normal_equations, neumann };

struct implicit_solve {
  implicit_method method = implicit_method::conjugate_gradient;
  std::int64_t iterations = 20;  // enqueued in any case: those behind the tolerance change nothing
  scalar step = 0.1;             // of neumann
  scalar tolerance = 1e-6;       // of |v + H x| / |v| (normal_equations: of |H (v + H x)| / |H v|)

  constexpr status check() const {
    return first_error(require::that(iterations >= 1, "iterations", static_cast<double>(iterations), "1 or above"),
                       require::positive(step, "step"), require::not_negative(tolerance, "tolerance"));
  }
};

// What came of it.
enum class implicit_outcome : std::int32_t {
  converged = 0,
  iterations_ran_out = 1,  // the residual is above the tolerance, and below that of x = 0
  diverged = 2,            // it is above that of x = 0, or not finite: x is no solution
  not_definite = 3,        // conjugate_gradient met a direction in which H does not curve downwards, and stopped
};

template <class T, space S>
struct implicit_inputs {
  view<const T, 1, S> outer = {};   // [n]: v, the outer objective's derivatives by the parameters
  view<const T, 1, S> direct = {};  // [m]: its derivatives by what is blended, at fixed parameters; 0 if not given
};
template <class T, space S>
struct implicit_outputs {
  view<T, 1, S> gradient = {};            // [m]: the whole derivative
  view<T, 1, S> solution = {};            // [n]: x, needed
  view<double, 1, S> residual = {};       // [1]: |v + H x| / |v|, recomputed from x; 0 for v = 0
  view<std::int32_t, 1, S> outcome = {};  // [1]: an implicit_outcome
};

inline namespace PREFER_ABI {
namespace detail {

// What the steps of a solve leave for the next ones, in memory of the execution space.
struct solve_state {
  double* squares;    // [iterations + 1]: of the residual that is iterated, before and after each
  double* curvature;  // [iterations]: p . A p
  double* scale;      // [2]: |v|^2, and the residual's at the end

  PREFER_HD bool goes_on(std::int64_t k, double tolerance) const {
    return squares[k] > tolerance * tolerance * squares[0] && math::is_finite(squares[k]) && curvature[k] > 0;
  }
};

// One pass over vectors, with factors that are found where it runs. A = sign H, sign -1, or H H, sign 1.
//   copy      p = q
//   start     x = 0, r = p = sign q                   sums |r|^2
//   curve                                             sums p . A p,  q = H p or H H p
//   descend   x += alpha p, r -= alpha A p            sums |r|^2
//   turn      p = r + beta p
//   climb     x += step (v + H x)                     sums |v + H x|^2
//   residual                                          sums |v + H x|^2
enum class pass : std::uint8_t { copy, start, curve, descend, turn, climb, residual };

struct vector_pass {
  pass what;
  std::int64_t k = 0;  // of the iteration
  double sign = 1;
  scalar tolerance = 0.0, step = 0.0;
  solve_state state{};
  double factor = 0;
  bool active = true;

  static constexpr int inputs = 4, outputs = 3, sums = 1;

  PREFER_HD vector_pass ready(double) const {
    vector_pass b = *this;
    const double limit = tolerance.as<double>();
    if (what == pass::descend) {
      b.active = state.goes_on(k, limit);
      b.factor = b.active ? state.squares[k] / state.curvature[k] : 0;
    } else if (what == pass::turn) {
      b.active = state.goes_on(k, limit);
      b.factor = b.active ? state.squares[k + 1] / state.squares[k] : 0;
    } else if (what == pass::climb) {
      b.factor = step.as<double>();
    }
    return b;
  }
  // in: x, r, p, q, or x, v, H x; out: x, r, p
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    const V f(factor), s(sign), missing = in[1] + in[2];
    out[0] = in[0], out[1] = in[1], out[2] = in[2];
    sum[0] = V(0);
    switch (what) {
      case pass::copy: out[2] = in[3]; break;
      case pass::start:
        out[0] = V(0), out[1] = out[2] = s * in[3];
        sum[0] = in[3] * in[3];
        break;
      case pass::curve: sum[0] = s * in[2] * in[3]; break;
      case pass::descend:
        if (active) out[0] = in[0] + f * in[2], out[1] = in[1] - f * (s * in[3]);
        sum[0] = out[1] * out[1];
        break;
      case pass::turn:
        if (active) out[2] = in[1] + f * in[2];
        break;
      case pass::climb:
        out[0] = in[0] + f * missing;
        sum[0] = missing * missing;
        break;
      case pass::residual: sum[0] = missing * missing; break;
    }
  }
};

// What came of a solve, from its numbers.
struct solve_report {
  solve_state state;
  implicit_method method;
  std::int64_t iterations;
  scalar tolerance;
  double* residual;
  std::int32_t* outcome;

  PREFER_HD implicit_outcome find(double relative) const {
    const double limit = tolerance.as<double>();
    if (!math::is_finite(relative)) return implicit_outcome::diverged;
    // The normal equations have a tolerance of their own residual; a large one is no sign of divergence.
    const bool normal = method == implicit_method::normal_equations;
    const double last = state.squares[iterations], first = state.squares[0];
    if (normal ? last <= limit * limit * first : relative <= limit) return implicit_outcome::converged;
    if (method == implicit_method::conjugate_gradient)
      for (std::int64_t k = 0; k < iterations; ++k)
        if (state.squares[k] > limit * limit * first && !(state.curvature[k] > 0))
          return implicit_outcome::not_definite;
    return relative > 1 ? implicit_outcome::diverged : implicit_outcome::iterations_ran_out;
  }
  PREFER_HD void write() const {
    const double relative = state.scale[0] > 0 || math::is_nan(state.scale[0])
                                ? math::sqrt(state.scale[1]) / math::sqrt(state.scale[0])
                                : 0;
    *residual = relative;
    *outcome = static_cast<std::int32_t>(find(relative));
  }
};

template <class Exec>
status write_report(const Exec&, const solve_report&) {
  static_assert(sizeof(Exec) == 0,
                "prefer: a call on prefer::cuda needs the algorithm's .cuh header, in a file compiled by nvcc");
  return {};
}
inline status write_report(const cpu&, const solve_report& r) {
  r.write();
  return {};
}

// The scratch memory of a solve of n parameters, without what passes need on CUDA.
template <class T>
struct solve_memory {
  T *r = nullptr, *p = nullptr, *q = nullptr, *w = nullptr;
  solve_state state{};
  double* residual = nullptr;
  std::int32_t* outcome = nullptr;
  std::size_t bytes = 0;

  solve_memory(void* memory, std::int64_t n, std::int64_t iterations) {
    arena a = memory == nullptr ? arena() : arena(memory);
    r = a.take<T>(n), p = a.take<T>(n), q = a.take<T>(n), w = a.take<T>(n);
    state.squares = a.take<double>(iterations + 1), state.curvature = a.take<double>(iterations);
    state.scale = a.take<double>(2);
    residual = a.take<double>(1), outcome = a.take<std::int32_t>(1);
    bytes = a.bytes();
  }
};

// One solve: the passes and products of all iterations, one after the other.
template <class T, class Exec, class Product>
struct solver {
  static constexpr space S = Exec::memory;
  const Exec& exec;
  Product& product;
  const implicit_solve& how;
  std::int64_t n;
  view<const T, 1, S> v;
  view<T, 1, S> x;
  solve_memory<T> m;

  static source from(const T* data, std::int64_t stride = 1) { return {data, stride, element_of<T>()}; }
  static sink to(T* data, std::int64_t stride = 1) { return {data, stride, element_of<T>()}; }
  source from_x() const { return from(x.data, x.stride[0]); }
  source from_v() const { return from(v.data, v.stride[0]); }

  // What a pass reads (x, r, p, q), writes (x, r, p), and where its sum goes.
  status run(const vector_pass& body, const source (&in)[4], const sink (&out)[3], double* sum) const {
    map_reduce_arguments_of<vector_pass> a;
    a.n = n;
    for (int k = 0; k < 4; ++k) a.in[k] = in[k];
    for (int k = 0; k < 3; ++k) a.out[k] = out[k];
    if (sum != nullptr) a.sum[0] = {sum, element::f64, false};
    a.normalizer = 1.0;
    return map_reduce<T>(exec, body, a);
  }
  bool normal() const { return how.method == implicit_method::normal_equations; }
  vector_pass make(pass what, double sign, std::int64_t k = 0) const {
    return {what, k, sign, how.tolerance, how.step, m.state};
  }
  // p = a, q = H p: a product reads and writes contiguous memory of the solve.
  status multiply(const source& a) const {
    if (const status s = run(make(pass::copy, 1), {{}, {}, {}, a}, {{}, {}, to(m.p)}, nullptr); !s.ok()) return s;
    return times(m.p, m.q);
  }
  status times(const T* in, T* out) const { return product(view<const T, 1, S>(in, n), view<T, 1, S>(out, n)); }
  // q = H p, or H H p
  status apply() const {
    if (!normal()) return times(m.p, m.q);
    if (const status s = times(m.p, m.w); !s.ok()) return s;
    return times(m.w, m.q);
  }
  // x = 0 and r = p = v, or -H v.
  status begin() const {
    if (normal())
      if (const status s = multiply(from_v()); !s.ok()) return s;
    return run(make(pass::start, normal() ? -1 : 1), {{}, {}, {}, normal() ? from(m.q) : from_v()},
               {to(x.data, x.stride[0]), to(m.r), to(m.p)}, m.state.squares);
  }
  status conjugate_step(std::int64_t k) const {
    const double sign = normal() ? 1 : -1;
    if (const status s = apply(); !s.ok()) return s;
    if (const status s = run(make(pass::curve, sign), {{}, {}, from(m.p), from(m.q)}, {}, m.state.curvature + k);
        !s.ok())
      return s;
    if (const status s = run(make(pass::descend, sign, k), {from_x(), from(m.r), from(m.p), from(m.q)},
                             {to(x.data, x.stride[0]), to(m.r), {}}, m.state.squares + k + 1);
        !s.ok())
      return s;
    return run(make(pass::turn, sign, k), {{}, from(m.r), from(m.p), {}}, {{}, {}, to(m.p)}, nullptr);
  }
  status neumann_step(std::int64_t k) const {
    if (const status s = multiply(from_x()); !s.ok()) return s;
    return run(make(pass::climb, 1), {from_x(), from_v(), from(m.q), {}}, {to(x.data, x.stride[0]), {}, {}},
               m.state.squares + k + 1);
  }
  status solve() const {
    if (const status s = begin(); !s.ok()) return s;
    for (std::int64_t k = 0; k < how.iterations; ++k)
      if (const status s = how.method == implicit_method::neumann ? neumann_step(k) : conjugate_step(k); !s.ok())
        return s;
    // The residual of x itself, not the one that was iterated, and |v|.
    if (const status s = multiply(from_x()); !s.ok()) return s;
    if (const status s = run(make(pass::residual, 1), {{}, from_v(), from(m.q), {}}, {}, m.state.scale + 1); !s.ok())
      return s;
    return run(make(pass::residual, 1), {{}, from_v(), {}, {}}, {}, m.state.scale);
  }
};

// The direct part and the one through the parameters.
struct add_direct {
  static constexpr int inputs = 2, outputs = 1, sums = 1;
  PREFER_HD add_direct ready(double) const { return *this; }
  template <class V>
  PREFER_HD void operator()(const V (&in)[inputs], V (&out)[outputs], V (&sum)[sums]) const {
    out[0] = in[0] + in[1];
    sum[0] = V(0);
  }
};

template <class T, space S>
status check_implicit(const implicit_inputs<T, S>& in, const implicit_outputs<T, S>& out, bool chain) {
  const std::int64_t n = in.outer.extent[0], m = out.gradient.extent[0];
  if (n < 0 || m < 0)
    return require::fail(errc::bad_extent, n < 0 ? "outer" : "gradient", "at least", static_cast<double>(n < 0 ? n : m),
                         0);
  if (const status s = first_error(
          check_shape("outer", in.outer, {n}, true), check_shape("solution", out.solution, {n}, true),
          check_shape("gradient", out.gradient, {m}, chain), check_shape("direct", in.direct, {m}, false),
          check_shape("residual", out.residual, {1}, false), check_shape("outcome", out.outcome, {1}, false));
      !s.ok())
    return s;
  require::footprints<2, 4> all;
  all.read(require::footprint_of("outer", in.outer)), all.read(require::footprint_of("direct", in.direct));
  all.write(require::footprint_of("gradient", out.gradient)),
      all.write(require::footprint_of("solution", out.solution));
  all.write(require::footprint_of("residual", out.residual)), all.write(require::footprint_of("outcome", out.outcome));
  return all.check();
}

// On the CPU what came of it is known, and said.
inline status judge(const cpu&, const double* residual, const std::int32_t* outcome) {
  if (*outcome < static_cast<std::int32_t>(implicit_outcome::diverged)) return {};
  const bool indefinite = *outcome == static_cast<std::int32_t>(implicit_outcome::not_definite);
  return require::fail(errc::not_converged, "residual",
                       indefinite ? "a product with a negative definite matrix, so that it falls below"
                                  : "steps that lessen it, to below",
                       *residual, 1);
}
inline status judge(const cuda&, const double*, const std::int32_t*) { return {}; }

}  // namespace detail

// Bytes of workspace of both calls on the CPU for n parameters in T and m entries of the gradient; on CUDA (with the
// .cuh) too.
template <class T>
std::size_t implicit_gradient_workspace(const cpu&, const implicit_solve& how, std::int64_t n, std::int64_t = 0) {
  return detail::solve_memory<T>(nullptr, n, how.iterations).bytes + detail::arena::alignment;
}

// Solves H x = -v for symmetric H by products alone: `product(in, out)` puts H in into out, both [n] and contiguous, in
// the execution space, and returns a status; on CUDA it enqueues that on the call's stream. x is out.solution.
//
//   solve_implicit<double>(cpu{.workspace = ...}, {.iterations = 50}, hessian_product, {.outer = {v, n}},
//                          {.solution = {x, n}, .residual = {&residual, 1}});
//
// The number of products is fixed: one per iteration (normal_equations: two, and one before) and one more for the
// residual, so that nothing is decided on the host; an iteration takes three passes over vectors of [n] besides
// (neumann: two); on CUDA nothing is synchronised or allocated with a workspace, and the call can be captured if
// `product` can. Iterations after the tolerance is met change nothing; neumann has no such end. Vectors in T (float or
// double), sums in double across tiles, in an order that n decides. Where the solve diverges or H is not negative
// definite, `outcome` says so, and on the CPU the call returns not_converged; the outputs are written all the same.
// Where H is not symmetric, give the product with its transpose (neumann; the others need symmetry). A bad product
// status is returned at once. Errors before anything is written: parameters, shapes, overlap, workspace.
template <class T, class Exec, class Product>
status solve_implicit(const Exec& exec, const implicit_solve& how, Product&& product,
                      const std::type_identity_t<implicit_inputs<T, Exec::memory>>& in,
                      const std::type_identity_t<implicit_outputs<T, Exec::memory>>& out) {
  static_assert(std::same_as<T, float> || std::same_as<T, double>,
                "prefer: solve_implicit<T> solves in float or double");
  static_assert(std::is_invocable_r_v<status, Product&, view<const T, 1, Exec::memory>, view<T, 1, Exec::memory>>,
                "prefer: a product is a callable status(view<const T, 1, space> in, view<T, 1, space> out)");
  if (const status s = first_error(how.check(), detail::check_implicit(in, out, false)); !s.ok()) return s;
  const std::int64_t n = in.outer.extent[0];
  const std::size_t bytes = detail::solve_memory<T>(nullptr, n, how.iterations).bytes;
  return with_scratch(exec, bytes, [&](void* memory, const Exec& rest) {
    const detail::solver<T, Exec, std::remove_reference_t<Product>> solver{
        rest, product, how, n, in.outer, out.solution, detail::solve_memory<T>(memory, n, how.iterations)};
    if (const status s = solver.solve(); !s.ok()) return s;
    double* const residual = out.residual.data != nullptr ? out.residual.data : solver.m.residual;
    std::int32_t* const outcome = out.outcome.data != nullptr ? out.outcome.data : solver.m.outcome;
    if (const status s = write_report(
            exec, detail::solve_report{solver.m.state, how.method, how.iterations, how.tolerance, residual, outcome});
        !s.ok())
      return s;
    return detail::judge(exec, residual, outcome);
  });
}

// The derivative of an outer objective J by phi, through the parameters theta(phi) at which U(theta, phi) = 0:
//
//   dJ / dphi = direct + (dU / dphi)^T x,   (dU / dtheta) x = -dJ / dtheta,
//
// U the gradient of an inner objective and dU / dtheta its Hessian, symmetric. As solve_implicit, and then
// `cross(in, out)` puts (dU / dphi)^T in, of [n], into out, of [m] and contiguous unless gradient has a stride. The
// bi-level blend of rewards (BARFI) has r = phi1 r_task + phi2 r_aux, U the policy gradient of the return of r less l
// theta: the l2 term makes the Hessian negative definite near a maximum. The derivative is only that where U is 0:
// train to it first. Source: the implicit function theorem; Gupta et al. 2023, arXiv 2310.19007, reconstructed from
// memory.
template <class T, class Exec, class Product, class Cross>
status implicit_gradient(const Exec& exec, const implicit_solve& how, Product&& product, Cross&& cross,
                         const std::type_identity_t<implicit_inputs<T, Exec::memory>>& in,
                         const std::type_identity_t<implicit_outputs<T, Exec::memory>>& out) {
  constexpr space S = Exec::memory;
  static_assert(std::is_invocable_r_v<status, Cross&, view<const T, 1, S>, view<T, 1, S>>,
                "prefer: a cross product is a callable status(view<const T, 1, space> in, view<T, 1, space> out)");
  if (const status s = first_error(how.check(), detail::check_implicit(in, out, true)); !s.ok()) return s;
  const status solved = solve_implicit<T>(exec, how, product, in, out);
  if (!solved.ok() && solved.code != errc::not_converged) return solved;
  if (const status s =
          cross(view<const T, 1, S>(out.solution.data, out.solution.extent[0], out.solution.stride[0]), out.gradient);
      !s.ok())
    return s;
  if (in.direct.data != nullptr) {
    map_reduce_arguments_of<detail::add_direct> a;
    a.n = out.gradient.extent[0];
    a.in[0] = {out.gradient.data, out.gradient.stride[0], element_of<T>()};
    a.in[1] = {in.direct.data, in.direct.stride[0], element_of<T>()};
    a.out[0] = {out.gradient.data, out.gradient.stride[0], element_of<T>()};
    a.normalizer = 1.0;
    if (const status s = map_reduce<T>(exec, detail::add_direct{}, a); !s.ok()) return s;
  }
  return solved;
}

}  // namespace PREFER_ABI
}  // namespace prefer
