// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/reward/assignment.cuh>
#include <prefer/reward/box_similarity.cuh>
#include <prefer/reward/matched_criteria.cuh>
#include <reward/rewards.hpp>
#include <support/side.cuh>

using namespace prefer_test;

TEST_CASE("matching on CUDA is its definition: sizes, gaps, storage types") {
  each_storage([](auto s) { check_assignments<decltype(s), device_side>(); });
  each_storage([](auto s) { check_boxes<decltype(s), device_side>(); });
  each_storage([](auto s) { check_matched<decltype(s), device_side>(); });
}

namespace {

// Boxes, their assignment and its criteria, one after the other.
template <class Exec>
struct box_rewards {
  static constexpr std::int64_t batch = 3, n = 70, m = 40;
  Exec exec;
  const float *predicted, *target;
  float *score, *giou, *reward;
  int *column_of, *row_of;

  prefer::status similar() const {
    return prefer::box_similarities(exec, {.distance_weight = 0.1},
                                    {.predicted = {predicted, batch, n, 4}, .target = {target, batch, m, 4}},
                                    {.score = {score, batch, n, m}, .giou = {giou, batch, n, m}});
  }
  prefer::status match() const {
    return prefer::assignments(exec, {}, {.score = {score, batch, n, m}},
                               {.column_of = {column_of, batch, n}, .row_of = {row_of, batch, m}});
  }
  prefer::status judge() const {
    return prefer::matched_rewards(exec, {.low = 0.1},
                                   {.quality = {giou, batch, n, m}, .column_of = {column_of, batch, n}},
                                   {.reward = {reward, batch}});
  }
};

std::vector<float> random_boxes(std::size_t boxes, std::uint64_t seed) {
  noise random(seed);
  std::vector<float> x;
  for (std::size_t i = 0; i < boxes; ++i) {
    const double left = random.uniform(0, 5), top = random.uniform(0, 5);
    for (const double side : {left, top, left + random.uniform(0, 3), top + random.uniform(0, 3)})
      x.push_back(static_cast<float>(side));
  }
  return x;
}

}  // namespace

TEST_CASE("matching on CUDA: one launch each, nothing allocated, captured; the assignment of the CPU") {
  using on_device = box_rewards<prefer::cuda>;
  constexpr std::size_t batch = on_device::batch, n = on_device::n, m = on_device::m;
  stream on;
  std::vector<float> p = random_boxes(batch * n, 1), t = random_boxes(batch * m, 2);
  const device_array<float> predicted(p), target(t), score(batch * n * m), giou(batch * n * m), reward(batch);
  const device_array<int> column_of(batch * n), row_of(batch * m);
  const on_device calls{{on.handle}, predicted.data, target.data,    score.data,
                        giou.data,   reward.data,    column_of.data, row_of.data};
  enqueues_only("box_similarity", 1, [&] { prefer::check(calls.similar()); });
  enqueues_only("assignment", 1, [&] { prefer::check(calls.match()); });
  enqueues_only("matched_criteria", 1, [&] { prefer::check(calls.judge()); });
  on.wait();
  const cudaGraphExec_t graph = capture(
      on.handle, [&] { prefer::check(calls.similar()), prefer::check(calls.match()), prefer::check(calls.judge()); });
  p = random_boxes(batch * n, 3);
  REQUIRE(cudaMemcpy(predicted.data, p.data(), p.size() * sizeof(float), cudaMemcpyHostToDevice) == cudaSuccess);
  REQUIRE(cudaGraphLaunch(graph, on.handle) == cudaSuccess);
  on.wait();
  cudaGraphExecDestroy(graph);
  // From the scores of the device, which may differ in the last place, the host takes the same steps.
  std::vector<float> scores = score.fetch(), gious = giou.fetch(), rewards(batch);
  std::vector<int> columns(batch * n), rows(batch * m);
  const box_rewards<prefer::cpu> host{{},           p.data(),       t.data(),       scores.data(),
                                      gious.data(), rewards.data(), columns.data(), rows.data()};
  prefer::check(host.match()), prefer::check(host.judge());
  CHECK((column_of.fetch() == columns && row_of.fetch() == rows));
  const auto got = reward.fetch();
  for (std::size_t b = 0; b < batch; ++b) CHECK(got[b] == doctest::Approx(rewards[b]).epsilon(1e-6));
  on_device wrong = calls;
  wrong.target = nullptr, wrong.score = nullptr, wrong.giou = nullptr;
  CHECK(refused_argument(wrong.similar()) == "target");
  CHECK(refused_argument(wrong.match()) == "score");
  CHECK(refused_argument(wrong.judge()) == "quality");
  for (const char* name : {"box_similarity", "assignment", "matched_criteria"})
    for (const char* tag : {"allocation", "capture", "bad-argument"}) covers(name, tag);
}

TEST_CASE("matching on CUDA: a bad problem has no answer and is reported, and the others have theirs") {
  device_side side;
  buffer<double> score(12), gradient(12), reward(3), precision(3);
  buffer<std::int32_t> rows(3), column_of(6), row_of(6), wrong(6);
  score.fill({1, 2, 3, 4, 1, 5, not_a_number, 1, 1, 2, 3, 4});
  rows.at(0) = 2, rows.at(1) = 2, rows.at(2) = 3;
  for (std::int64_t i = 0; i < 6; ++i) wrong.at(i) = i == 1 ? 2 : 0;
  const device_array<prefer::content_report> report(std::vector<prefer::content_report>(1));
  side.exec.report = report.data;
  const auto scores = batch_view(side.read(score), 3, 2, 2, 2);
  prefer::check(prefer::assignments(side.exec, {}, {.score = scores, .rows = side.read(rows)},
                                    {.column_of = rows_view(side.write(column_of), 3, 2),
                                     .row_of = rows_view(side.write(row_of), 3, 2),
                                     .reward = side.write(reward),
                                     .grad_score = batch_view(side.write(gradient), 3, 2, 2, 2)}));
  side.done();
  CHECK(reward.get(0) == 5);
  CHECK((report.fetch()[0].code() == prefer::errc::not_a_number && report.fetch()[0].index() == 1));
  for (std::int64_t b = 1; b < 3; ++b)
    CHECK((std::isnan(reward.get(b)) && std::isnan(gradient.get(4 * b)) && column_of.at(2 * b) == -1 &&
           row_of.at(2 * b + 1) == -1));
  // A partner out of range is not looked up.
  prefer::check(prefer::matched_rewards(side.exec, {},
                                        {.quality = scores, .column_of = rows_view(side.read(wrong), 3, 2)},
                                        {.precision = side.write(precision)}));
  side.done();
  CHECK((std::isnan(precision.get(0)) && !std::isnan(precision.get(2))));
  CHECK((report.fetch()[0].code() == prefer::errc::bad_index && report.fetch()[0].index() == 0));
  CHECK((gradient.intact() && row_of.intact() && precision.intact()));
}
