// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/shape/extension_gradient.cuh>
#include <prefer/shape/lipschitz_extension.cuh>
#include <support/side.cuh>
#include <shape/extension_gradient.hpp>

using namespace prefer_test;

TEST_CASE("on CUDA gradients by values, constant, points and queries are those of differences") {
  SUBCASE("float, elsewhere") { check_extension_gradient<float, device_side>(prefer::metric::l2{}, false); }
  SUBCASE("double, at the samples") { check_extension_gradient<double, device_side>(prefer::metric::l2{}, true); }
  SUBCASE("half, at the samples") { check_extension_gradient<prefer::half, device_side>(prefer::metric::l2{}, true); }
  SUBCASE("bfloat16, elsewhere") {
    check_extension_gradient<prefer::bfloat16, device_side>(prefer::metric::l2{}, false);
  }
}

TEST_CASE("on CUDA gradients only enqueue, and can be captured and replayed; a bad index is reported and skipped") {
  device_side side;
  buffer<float> point(4), value(4), from(4), gradient(4);
  buffer<std::int32_t> above(4), below(4);
  point.fill({0, 1, 2, 4}), value.fill({0, 3, 1, 1}), from.fill({1, 2, 4, 8});
  for (int i = 0; i < 4; ++i) above.at(i) = i == 3 ? 4 : 0, below.at(i) = i == 0 ? -1 : 1;
  device<float> by_value(gradient), shares(from);
  const prefer::metric::l2 metric;
  const device_array<prefer::content_report> word(std::vector<prefer::content_report>(1));
  const prefer::extension_gradient_inputs<prefer::space::device> in{
      .extension = {.samples = {.point = side.read(point, 4, 1, 1), .value = side.read(value)}},
      .upper_index = side.read(above),
      .lower_index = side.read(below),
      .value = shares.read()};
  const prefer::extension_gradient_outputs<prefer::space::device> out{.value = by_value.view()};
  const device_array<char> memory(prefer::extension_gradient_workspace(side.exec, metric, in, out));
  const prefer::cuda lent{.stream = side.on.handle, .workspace = {memory.data, memory.count}, .report = word.data};
  const auto call = [&] { prefer::check(prefer::extend_gradient(lent, {}, metric, in, out)); };
  enqueues_only("extension_gradient", 5, call);
  side.on.wait();
  by_value.fetch();
  CHECK((gradient.at(0) == 3.5f && gradient.at(1) == 7 && gradient.at(2) == 0 && gradient.at(3) == 0));
  check_replay("extension_gradient", side.on.handle, call, [&] { from.at(1) = 4, shares.send(); }, {by_value.all()});
  by_value.fetch();
  CHECK((gradient.at(0) == 4.5f && gradient.at(1) == 8 && gradient.at(2) == 0 && gradient.at(3) == 0));
  CHECK((word.fetch()[0].code() == prefer::errc::bad_index && word.fetch()[0].index() == 3));
  const prefer::cuda less{.stream = side.on.handle, .workspace = {memory.data, memory.count / 2}};
  check_refused("extension_gradient", prefer::extend_gradient(less, {}, metric, in, out), "exec.workspace.bytes");
  covers("extension_gradient", "allocation");
}
