// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/shape/lipschitz_projection.cuh>
#include <support/side.cuh>
#include <shape/lipschitz_projection.hpp>

using namespace prefer_test;

TEST_CASE("on CUDA the projection is Hildreth's within its own error, feasible, and keeps the mean") {
  SUBCASE("float") { check_projection<float, device_side>(prefer::metric::l2{}, 1.5); }
  SUBCASE("double") { check_projection<double, device_side>(prefer::metric::l2{}, 0.5); }
  SUBCASE("half") { check_projection<prefer::half, device_side>(prefer::metric::l2{}, 0); }
  SUBCASE("bfloat16") { check_projection<prefer::bfloat16, device_side>(prefer::metric::l2{}, 4); }
}

TEST_CASE("on CUDA the gradient of the projection shares by weight within components") {
  SUBCASE("float") { check_projection_gradient<float, device_side>(); }
  SUBCASE("double") { check_projection_gradient<double, device_side>(); }
  SUBCASE("half") { check_projection_gradient<prefer::half, device_side>(); }
  SUBCASE("bfloat16") { check_projection_gradient<prefer::bfloat16, device_side>(); }
}

TEST_CASE("on CUDA a block projects as a warp does, and looks behind the end of the work change nothing") {
  constexpr std::int64_t n = 600;  // more than a warp's
  buffer<double> x(2 * n), v(n), f(n), again(n), error(1);
  buffer<std::int32_t> rounds(1);
  noise random(5);
  fill_uniform(x, random, -1, 1), fill_uniform(v, random, -1, 1);
  for (std::int64_t i = 64; i < n; ++i) x.at(2 * i) = 10.0 + static_cast<double>(i), v.at(i) = 0;  // too far to matter
  prefer::check(prefer::project(prefer::cpu{}, {.constant = 0.5}, prefer::metric::l2{},
                                {.samples = {.point = {x.data(), n, 2}, .value = v.read()}}, {.value = f.view()}));
  device_side side;
  prefer::check(
      prefer::project(side.exec, {.constant = 0.5, .rounds = 16}, prefer::metric::l2{},
                      {.samples = {.point = side.read(x, n, 2, 2), .value = side.read(v)}},
                      {.value = side.write(again), .error = side.write(error), .rounds = side.write(rounds)}));
  side.done();
  double most = 0;
  for (std::int64_t i = 0; i < n; ++i) most = std::max(most, std::fabs(f.at(i) - again.at(i)));
  CHECK(most < 1e-6);
  CHECK((error.at(0) < 1e-6 && rounds.at(0) < 16));
}

TEST_CASE("on CUDA the projection holds with weights 24 decades apart") {
  for (std::uint64_t seed = 0; seed < 6; ++seed) check_wide_weights<device_side>({12, 2, 12, 0.3, seed}, false);
}

TEST_CASE("on CUDA samples on a line are projected as in a plane, without looks at pairs") {
  check_line<device_side>(prefer::metric::l2{}, 1);
}

TEST_CASE("on CUDA the projection only enqueues, and can be captured and replayed; a bad component is reported") {
  device_side side;
  constexpr std::int64_t n = 40;
  sample_case<float> c(n, 2, 5, false);
  buffer<double> value(n), gradient(n);
  buffer<std::int32_t> component(n);
  device<float> points(c.point), values(c.value);
  device<double> found(value), by_value(gradient);
  device<std::int32_t> members(component);
  const prefer::metric::l2 metric;
  const prefer::lipschitz_projection options{.constant = 1.0, .rounds = 8};
  const prefer::projection_inputs<prefer::space::device> in{
      .samples = {.point = prefer::view<const float, 2, prefer::space::device>(points.data(), n, 2, c.row_stride, 1),
                  .value = values.read()}};
  const prefer::projection_outputs<prefer::space::device> out{.value = found.view(), .component = members.view()};
  const prefer::projection_gradient_inputs<prefer::space::device> from{.component = members.read(),
                                                                       .gradient = in.samples.value};
  const prefer::projection_gradient_outputs<prefer::space::device> to{.value = by_value.view()};
  const device_array<char> memory(prefer::lipschitz_projection_workspace(side.exec, options, metric, in, out));
  const device_array<prefer::content_report> word(std::vector<prefer::content_report>(1));
  const prefer::cuda lent{.stream = side.on.handle, .workspace = {memory.data, memory.count}, .report = word.data};
  const auto check_one = [&](const char* name, int launches, const auto& call, const device_bytes& written) {
    enqueues_only(name, launches, call);
    side.on.wait();
    covers(name, "allocation");
    const auto other_values = [&] {
      for (std::int64_t i = 0; i < n; ++i) c.value.set(i, 0.75 - 0.5 * c.value.get(i));
      values.send();
    };
    check_replay(name, side.on.handle, call, other_values, {written});
  };
  check_one(
      "lipschitz_projection", 25, [&] { prefer::check(prefer::project(lent, options, metric, in, out)); }, found.all());
  found.fetch();
  CHECK(std::isfinite(value.at(n - 1)));
  check_one(
      "projection_gradient", 1, [&] { prefer::check(prefer::project_gradient(lent, options, from, to)); },
      by_value.all());
  by_value.fetch();
  double sum[2] = {};
  for (std::int64_t i = 0; i < n; ++i) sum[0] += gradient.at(i), sum[1] += c.value.get(i);
  CHECK(std::fabs(sum[0] - sum[1]) < 1e-12);  // what is shared is neither more nor less
  members.fetch();
  component.at(3) = n, members.send();
  prefer::check(prefer::project_gradient(lent, options, from, to));
  side.on.wait();
  by_value.fetch();
  CHECK((gradient.at(3) == 0 && word.fetch()[0].code() == prefer::errc::bad_index && word.fetch()[0].index() == 3));
  const prefer::cuda less{.stream = side.on.handle, .workspace = {memory.data, memory.count - 1}};
  check_refused("lipschitz_projection", prefer::project(less, options, metric, in, out), "exec.workspace.bytes");
  check_refused("projection_gradient", prefer::project_gradient(lent, options, from, {}), "outputs");
}
