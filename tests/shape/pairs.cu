// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/shape/lipschitz_constant.cuh>
#include <prefer/shape/lipschitz_extension.cuh>
#include <prefer/shape/nearest_neighbors.cuh>
#include <support/side.cuh>
#include <shape/pairs.hpp>

using namespace prefer_test;

TEST_CASE("on CUDA the constant and local slopes are their definitions") {
  SUBCASE("float") { check_constant<float, device_side>(prefer::metric::l2{}, 0.25); }
  SUBCASE("double") { check_constant<double, device_side>(prefer::metric::l2{}, 0); }
  SUBCASE("half") { check_constant<prefer::half, device_side>(prefer::metric::linf{}, 0.25); }
  SUBCASE("bfloat16") { check_constant<prefer::bfloat16, device_side>(prefer::metric::l2{}, 0); }
}

TEST_CASE("on CUDA envelopes and what is between them are their definitions") {
  SUBCASE("float") { check_extension<float, device_side>(prefer::metric::l2{}, true); }
  SUBCASE("double") { check_extension<double, device_side>(prefer::metric::l2{}, false); }
  SUBCASE("half") { check_extension<prefer::half, device_side>(prefer::metric::l2{}, false); }
  SUBCASE("bfloat16") { check_extension<prefer::bfloat16, device_side>(prefer::metric::l2{}, true); }
}

TEST_CASE("on CUDA neighbours are the nearest, and slopes over lists their definitions") {
  SUBCASE("float") { check_neighbors<float, device_side>(prefer::metric::l2{}, false); }
  SUBCASE("double") { check_neighbors<double, device_side>(prefer::metric::l2{}, false); }
  SUBCASE("half, elsewhere") { check_neighbors<prefer::half, device_side>(prefer::metric::l2{}, true); }
  SUBCASE("bfloat16, elsewhere") { check_neighbors<prefer::bfloat16, device_side>(prefer::metric::l2{}, true); }
  SUBCASE("half") { check_neighbors<prefer::half, device_side>(prefer::metric::l2{}, false); }
  SUBCASE("bfloat16") { check_neighbors<prefer::bfloat16, device_side>(prefer::metric::l2{}, false); }
}

TEST_CASE("on CUDA a neighbour that is no sample is reported and skipped") {
  device_side side;
  buffer<float> point(3), value(3), local(3);
  buffer<std::int32_t> list(3);
  point.fill({0, 1, 3}), value.fill({0, 2, 3}), list.at(0) = 1, list.at(1) = 3, list.at(2) = -7;
  buffer<double> constant(1);
  const device_array<prefer::content_report> word(std::vector<prefer::content_report>(1));
  side.exec.report = word.data;
  prefer::check(prefer::find_neighbor_lipschitz_constant(
      side.exec, {}, prefer::metric::l2{},
      {.samples = {.point = side.read(point, 3, 1, 1), .value = side.read(value)},
       .neighbor = side.read(list, 3, 1, 1)},
      {.constant = side.write(constant), .local = side.write(local)}));
  side.done();
  CHECK((constant.at(0) == 2 && local.at(0) == 2 && local.at(1) == 0 && local.at(2) == 0));
  const prefer::content_report report = word.fetch()[0];
  CHECK((report.code() == prefer::errc::bad_index && report.index() == 1));
}

TEST_CASE("on CUDA equal points conflict, and squares outside of float are taken in double") {
  device_side side;
  buffer<float> point(6), value(6);
  buffer<double> constant(1);
  buffer<std::int32_t> pair(2), conflicts(1);
  point.fill({0, 9, 5, 9, 5, 3e-30}), value.fill({0, 1, 2, 1.5, 2.5, 0});
  prefer::check(prefer::find_lipschitz_constant(
      side.exec, {}, prefer::metric::l2{}, {.point = side.read(point, 6, 1, 1), .value = side.read(value)},
      {.constant = side.write(constant), .pair = side.write(pair), .conflicts = side.write(conflicts)}));
  side.done();
  CHECK((std::isinf(constant.at(0)) && pair.at(0) == 1 && pair.at(1) == 3 && conflicts.at(0) == 2));
}

TEST_CASE("on CUDA the tools on pairs only enqueue, and can be captured and replayed") {
  device_side side;
  constexpr std::int64_t n = 70;
  sample_case<float> c(n, 3, 5, false);
  buffer<double> constant(1), value(n);
  device<float> points(c.point), values(c.value);
  device<double> found(constant), extended(value);
  const prefer::value_samples<prefer::space::device> in{
      .point = prefer::view<const float, 2, prefer::space::device>(points.data(), n, 3, c.row_stride, 1),
      .value = values.read()};
  const prefer::metric::l2 metric;
  const prefer::lipschitz_constant_outputs<prefer::space::device> out{.constant = found.view()};
  const device_array<char> memory(prefer::lipschitz_constant_workspace(side.exec, {}, metric, in, out));
  const prefer::cuda lent{.stream = side.on.handle, .workspace = {memory.data, memory.count}};
  const auto find = [&] { prefer::check(prefer::find_lipschitz_constant(lent, {}, metric, in, out)); };
  const auto extend = [&] {
    prefer::check(prefer::extend(lent, {.constant = 2.0}, metric, {.samples = in}, {.value = extended.view()}));
  };
  const auto check_one = [&](const char* name, int launches, const auto& call, auto& result) {
    enqueues_only(name, launches, call);
    side.on.wait();
    covers(name, "allocation");
    const auto other_samples = [&] {
      for (std::int64_t i = 0; i < n; ++i)
        c.set(i, 1, 0.5 - 2 * c.get(i, 1)), c.value.set(i, 1.5 * c.value.get(i) + 0.125);
      points.send(), values.send();
    };
    check_replay(name, side.on.handle, call, other_samples, {result.all()});
    result.fetch();
  };
  check_one("lipschitz_constant", 3, find, found);
  CHECK(constant.at(0) > 0);
  check_one("lipschitz_extension", 2, extend, extended);
  buffer<std::int32_t> list(n * 3);
  device<std::int32_t> listed(list);
  const prefer::view<std::int32_t, 2, prefer::space::device> lists(listed.data(), n, 3);
  const prefer::neighbor_inputs<prefer::space::device> near{.point = in.point};
  const prefer::neighbor_outputs<prefer::space::device> index{.index = lists};
  const device_array<char> more(prefer::nearest_neighbors_workspace(side.exec, metric, near, index));
  const prefer::cuda longer{.stream = side.on.handle, .workspace = {more.data, more.count}};
  check_one(
      "nearest_neighbors", 3, [&] { prefer::check(prefer::find_nearest_neighbors(longer, metric, near, index)); },
      listed);
  check_one(
      "neighbor_lipschitz_constant", 2,
      [&] {
        prefer::check(prefer::find_neighbor_lipschitz_constant(
            lent, {}, metric,
            {.samples = in,
             .neighbor = prefer::view<const std::int32_t, 2, prefer::space::device>(listed.data(), n, 3)},
            out));
      },
      found);
  CHECK((list.at(0) > 0 && constant.at(0) > 0));
  CHECK(std::isfinite(value.at(n - 1)));
  const prefer::cuda less{.stream = side.on.handle, .workspace = {memory.data, memory.count - 1}};
  const prefer::cuda little{.stream = side.on.handle, .workspace = {more.data, more.count - 1}};
  check_refused("lipschitz_constant", prefer::find_lipschitz_constant(less, {}, metric, in, out),
                "exec.workspace.bytes");
  check_refused("lipschitz_extension", prefer::extend(lent, {.constant = -1.0}, metric, {.samples = in}, {}),
                "constant");
  check_refused("nearest_neighbors", prefer::find_nearest_neighbors(little, metric, near, index),
                "exec.workspace.bytes");
  check_refused("neighbor_lipschitz_constant",
                prefer::find_neighbor_lipschitz_constant(lent, {}, metric, {.samples = in}, out), "neighbor");
}
