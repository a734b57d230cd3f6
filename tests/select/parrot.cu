// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/parrot.cuh>
#include <select/parrot.hpp>
#include <support/side.cuh>

using namespace prefer_test;

TEST_CASE("Parrot on CUDA: samples of the set get their reward over the size of the set, the others nothing") {
  SUBCASE("float") { check_parrot<float, device_side>(); }
  SUBCASE("double") { check_parrot<double, device_side>(); }
  SUBCASE("half") { check_parrot<prefer::half, device_side>(); }
  SUBCASE("bfloat16") { check_parrot<prefer::bfloat16, device_side>(); }
}

TEST_CASE("Parrot on CUDA: one launch and nothing else, captured and replayed; bad content is NaN and reported") {
  device_side side;
  buffer<float> rewards(8), weight(4);
  buffer<bool> mask(4);
  buffer<std::int32_t> index(4), offsets(3);
  buffer<unsigned long long> word(1);
  word.at(0) = ~0ull;
  for (std::int64_t i = 0; i < 8; ++i) rewards.set(i, static_cast<double>(i));
  for (std::int64_t i = 0; i < 4; ++i)
    mask.at(i) = i != 1, index.at(i) = static_cast<std::int32_t>(i % 2), weight.set(i, 9);
  offsets.at(0) = 0, offsets.at(1) = 2, offsets.at(2) = 4;
  device<std::int32_t> indices(index), bounds(offsets);
  device<float> result(weight);
  device<unsigned long long> report(word);
  const prefer::parrot_inputs<prefer::space::device> in = {.rewards = side.read(rewards, 4, 2, 2),
                                                           .mask = side.read(mask),
                                                           .reward_index = indices.read(),
                                                           .groups = {.offsets = bounds.read()}};
  const prefer::cuda exec{.stream = side.on.handle, .report = reinterpret_cast<prefer::content_report*>(report.data())};
  const auto call = [&] { prefer::check(prefer::parrot_weights(exec, in, {.weight = result.view()})); };
  enqueues_only("parrot", 1, call);
  side.on.wait();
  result.fetch();
  CHECK((weight.get(0) == 0 && weight.get(1) == 0 && weight.get(2) == 2 && weight.get(3) == 3.5));
  const cudaGraphExec_t graph = capture(side.on.handle, call);
  const auto replay = [&] {
    indices.send(), bounds.send();
    REQUIRE(cudaGraphLaunch(graph, side.on.handle) == cudaSuccess);
    side.on.wait();
    result.fetch(), report.fetch();
    return prefer::content_report{word.at(0)};
  };
  index.at(2) = 5;
  const auto bad_index = replay();
  CHECK((bad_index.code() == prefer::errc::bad_index && bad_index.index() == 2));
  CHECK((std::isnan(weight.get(2)) && weight.get(3) == 3.5));
  index.at(2) = 0, offsets.at(2) = 5, word.at(0) = ~0ull, report.send();
  const auto bad_offset = replay();
  CHECK((bad_offset.code() == prefer::errc::bad_offsets && bad_offset.index() == 1 && weight.intact()));
  cudaGraphExecDestroy(graph);
  auto wrong = in;
  wrong.mask.extent[0] = 3;
  CHECK(refused_argument(prefer::parrot_weights(exec, wrong, {.weight = result.view()})) == "mask");
  covers("parrot", "allocation"), covers("parrot", "capture"), covers("parrot", "bad-argument");
}
