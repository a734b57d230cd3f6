// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/shape/aol.cuh>
#include <prefer/shape/group_sort.cuh>
#include <prefer/shape/norm_product.cuh>
#include <prefer/shape/norm_projection.cuh>
#include <prefer/shape/spectral_norm.cuh>
#include <support/side.cuh>
#include <shape/aol_checks.hpp>
#include <shape/group_sort_checks.hpp>
#include <shape/norm_product_checks.hpp>
#include <shape/norm_projection_checks.hpp>
#include <shape/spectral_norm_checks.hpp>

using namespace prefer_test;
using prefer::cuda;
using prefer::errc;
using prefer::space;

namespace {

template <class S>
void check_all(bool bounded) {
  check_spectral_norm<S, device_side>();
  check_spectral_gradient<S, device_side>(bounded);
  check_aol<S, device_side>();
  check_norm_projection<S, device_side>();
  check_group_sort<S, device_side>();
  check_norm_product<S, device_side>();
}

template <class S>
prefer::view<const S, 2, space::device> device_read(device<S>& d, layer<S>& l) {
  return {d.data(), l.m, l.n, l.stride, std::int64_t{1}};
}
template <class S>
prefer::view<S, 2, space::device> device_write(device<S>& d, layer<S>& l) {
  return {d.data(), l.m, l.n, l.stride, std::int64_t{1}};
}

// Only enqueues, sees what `change` did when it is replayed, and is refused less workspace than it asks for.
template <class Call, class Change>
void check_enqueued(const char* name, stream& s, int launches, std::size_t bytes, const Call& call,
                    const Change& change, const std::vector<device_bytes>& written) {
  const device_workspace memory(bytes);
  const auto run = [&] { prefer::check(call(cuda{.stream = s.handle, .workspace = memory.get()})); };
  enqueues_only(name, launches, run);
  check_replay(name, s.handle, run, change, written);
  const prefer::workspace less = {memory.get().data, 16};
  if (bytes > 0) check_refused(name, call(cuda{.stream = s.handle, .workspace = less}), "exec.workspace.bytes");
  covers(name, "allocation");
}

}  // namespace

TEST_CASE("on CUDA norms, rescalings, projections, sorts and products are their definitions") {
  SUBCASE("float") { check_all<float>(true); }
  SUBCASE("double") { check_all<double>(false); }
  SUBCASE("half") { check_all<prefer::half>(false); }
  SUBCASE("bfloat16") { check_all<prefer::bfloat16>(true); }
}

TEST_CASE("on CUDA a warm start goes on where the last call ended, and a tolerance is looked at on the device") {
  stream s;
  layer<float> w = make_layer<float>(30, 20, 5);
  buffer<float> state(30);
  buffer<double> sigma(1);
  buffer<std::int32_t> iterations(1);
  buffer<bool> converged(1);
  for (int i = 0; i < 30; ++i) state.set(i, 0);
  device<float> weight(w.of), left(state);
  device<double> sigma_there(sigma);
  device<std::int32_t> iterations_there(iterations);
  device<bool> converged_there(converged);
  const double exact = largest_singular_value(w.values(), 30, 20);
  double before = 0;
  const auto run = [&](const prefer::spectral_norm& o) {
    prefer::check(prefer::find_spectral_norm(cuda{s.handle}, o,
                                             {.weight = device_read(weight, w), .start = left.read()},
                                             {.sigma = sigma_there.view(),
                                              .left = left.view(),
                                              .iterations = iterations_there.view(),
                                              .converged = converged_there.view()}));
    s.wait();
    sigma_there.fetch(), iterations_there.fetch(), converged_there.fetch();
  };
  for (int k = 0; k < 6; ++k) {
    run({});
    CHECK((sigma.at(0) >= before * (1 - 1e-6) && sigma.at(0) <= exact * (1 + 1e-6)));
    before = sigma.at(0);
  }
  left.send();
  run({.iterations = 40, .tolerance = 1e-6});
  CHECK((converged.at(0) && iterations.at(0) > 1 && iterations.at(0) < 20));
  CHECK(std::fabs(sigma.at(0) / exact - 1) < 1e-4);
  const int enough = iterations.at(0);
  left.send();
  run({.iterations = enough - 1, .tolerance = 1e-6});
  CHECK((!converged.at(0) && iterations.at(0) == enough - 1));
}

TEST_CASE("on CUDA the calls on layers only enqueue, and can be captured and replayed") {
  stream s;
  layer<float> w = make_layer<float>(40, 70, 1), g = make_layer<float>(40, 70, 2, 0), unit(40, 70);
  buffer<float> left(40), right(70);
  buffer<double> sigma(1), bound(1);
  layer<std::int32_t> index(40, 70);
  device<float> weight(w.of), upstream(g.of), to(unit.of), u(left), v(right);
  device<double> norm(sigma), above(bound);
  device<std::int32_t> places(index.of);
  const cuda plain{s.handle};
  const auto other_weights = [&] {
    for (std::int64_t k = 0; k < w.of.size(); ++k) w.of.set(k, -0.75 * w.of.get(k) + 0.125);
    weight.send();
  };
  const prefer::spectral_norm o{.iterations = 2, .gram_doublings = 2};
  const prefer::spectral_norm_inputs<space::device> in{.weight = device_read(weight, w)};
  const prefer::spectral_norm_outputs<space::device> out{.sigma = norm.view(),
                                                         .bound = above.view(),
                                                         .left = u.view(),
                                                         .right = v.view(),
                                                         .normalized = device_write(to, unit)};
  // begin, two products and steps for the start; per iteration four, less the last one's two; sums, squares, end, map
  check_enqueued("spectral_norm", s, 1 + 2 + 4 + 2 + 2 + 4 + 1 + 1, prefer::spectral_norm_workspace(plain, o, in, out),
                 [&](const cuda& exec) { return prefer::find_spectral_norm(exec, o, in, out); }, other_weights,
                 {norm.all(), above.all(), u.all(), v.all(), to.all()});
  const prefer::spectral_gradient_inputs<space::device> back{device_read(weight, w), device_read(upstream, g), u.read(),
                                                             v.read(), norm.read()};
  const prefer::spectral_gradient_outputs<space::device> by{device_write(to, unit)};
  check_enqueued("spectral_norm", s, 2, prefer::propagate_spectral_norm_workspace(plain, back, by),
                 [&](const cuda& exec) { return prefer::propagate_spectral_norm(exec, back, by); }, other_weights,
                 {to.all()});
  to.fetch();
  CHECK(std::isfinite(unit.get(39, 69)));
  const prefer::aol_inputs<space::device> aol_in{device_read(weight, w), device_read(upstream, g)};
  const prefer::aol_outputs<space::device> aol_out{.scale = v.view(), .grad_weight = device_write(to, unit)};
  check_enqueued("aol", s, 5, prefer::aol_workspace(plain, aol_in, aol_out),
                 [&](const cuda& exec) { return prefer::rescale_aol(exec, aol_in, aol_out); }, other_weights,
                 {v.all(), to.all()});
  for (const auto along : {prefer::norm_projection::line::rows, prefer::norm_projection::line::columns}) {
    const bool rows = along == prefer::norm_projection::line::rows;
    const prefer::norm_projection_inputs<space::device> from{device_read(weight, w)};
    const prefer::norm_projection_outputs<space::device> projected{device_write(to, unit)};
    check_enqueued(
        "norm_projection", s, rows ? 1 : 3,
        prefer::project_norms_workspace<float>(plain, {.along = along}, from, projected),
        [&](const cuda& exec) { return prefer::project_norms<float>(exec, {.along = along}, from, projected); },
        other_weights, {to.all()});
  }
  check_enqueued("group_sort", s, 1, 0,
                 [&](const cuda& exec) {
                   return prefer::sort_groups(exec, {}, {device_read(weight, w)},
                                              {device_write(to, unit), device_write(places, index)});
                 },
                 other_weights, {to.all(), places.all()});
  check_refused("group_sort",
                prefer::sort_groups(plain, {.size = 3}, {device_read(weight, w)}, {device_write(to, unit)}), "x");
  for (std::int64_t i = 0; i < right.size(); ++i) right.set(i, 0.5 + 0.01 * static_cast<double>(i));
  v.send();
  check_enqueued(
      "norm_product", s, 1, 0,
      [&](const cuda& exec) { return prefer::multiply_norms(exec, {v.read()}, {.bound = above.view()}); },
      [&] { right.set(3, 2), v.send(); }, {above.all()});
  check_refused("norm_product", prefer::multiply_norms(plain, {v.read()}, {}), "outputs");
}

TEST_CASE("on CUDA bad content is reported: indices outside of their group, negative norms") {
  stream s;
  layer<float> g(1, 4), by_x(1, 4);
  layer<std::int32_t> index(1, 4);
  g.fill([](std::int64_t, std::int64_t j) { return static_cast<double>(j) + 1; });
  for (int j : {0, 1, 2, 3}) index.of.at(j) = j < 2 ? 1 : j == 2 ? 1 : 2;
  device<float> upstream(g.of), to(by_x.of);
  device<std::int32_t> places(index.of);
  const device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  prefer::check(prefer::propagate_group_sort(cuda{.stream = s.handle, .report = report.data}, {},
                                             {device_read(upstream, g), device_read(places, index)},
                                             {device_write(to, by_x)}));
  s.wait();
  to.fetch();
  CHECK(by_x.values() == std::vector<double>{0, 3, 4, 0});
  CHECK((report.fetch()[0].code() == errc::bad_index && report.fetch()[0].index() == 2));
  buffer<double> norm(2), bound(1);
  norm.fill({1, -1});
  device<double> norms(norm), product(bound);
  const device_array<prefer::content_report> other(std::vector<prefer::content_report>(1));
  prefer::check(prefer::multiply_norms(cuda{.stream = s.handle, .report = other.data}, {norms.read()},
                                       {.bound = product.view()}));
  s.wait();
  product.fetch();
  CHECK((std::isnan(bound.at(0)) && other.fetch()[0].code() == errc::bad_label && other.fetch()[0].index() == 1));
}
