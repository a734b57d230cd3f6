// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Picks of one sample of every group on CUDA. What is expected is what the CPU finds, whose tests hold it against the
// definitions.
#include <prefer/select/knee_point.cuh>
#include <prefer/select/refinement.cuh>
#include <prefer/select/scalarized_pick.cuh>
#include <select/mirrored_case.cuh>
#include <select/refinement.hpp>
#include <support/side.cuh>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <utility>

using namespace prefer;
using namespace prefer_test;

namespace {

using rule = scalarization::rule;

// Rewards on a grid of eighths with weights that are powers of two: sums are exact, so both sides agree to the bit.
template <class S>
pareto_case exact_case(std::int64_t n, int k, points kind, noise& random) {
  pareto_case c = draw(kind, n, k, random);
  c.tolerances.clear();
  for (double& x : c.rewards)
    if (std::isfinite(x)) x = std::floor(x * 8) / 8;
  return c;
}

template <class S>
void check_picks(mirrored<S>& m, std::int64_t picks, noise& random, const prefer::cuda& exec, stream& s) {
  const std::int64_t k = m.c.k;
  buffer<S> weights(picks * k), reference(k);
  for (std::int64_t i = 0; i < picks * k; ++i)
    weights.set(i, random.uniform(0, 1) < 0.2 ? 0 : std::ldexp(1.0, static_cast<int>(random.uniform(0, 3))));
  for (std::int64_t j = 0; j < k; ++j) reference.set(j, std::floor(random.uniform(-3, 3)));
  device<S> there(weights), origin(reference);
  for (const rule how : {rule::weighted_sum, rule::chebyshev, rule::achievement}) {
    const scalarization o{.value = how, .augmentation = 0.25, .objectives = objectives_of(m.c)};
    result<std::int32_t> index(m.groups() * picks);
    result<double> value(m.groups() * picks);
    check(scalarized_picks(
        cpu{}, o,
        {.samples = m.on_host(), .weights = {weights.data(), picks, k}, .reference = {reference.data(), 1, k}},
        {.index = {index.host.data(), m.groups(), picks}, .value = {value.host.data(), m.groups(), picks}}));
    check(scalarized_picks(
        exec, o, {.samples = m.on_device(), .weights = {there.data(), picks, k}, .reference = {origin.data(), 1, k}},
        {.index = {index.there.data(), m.groups(), picks}, .value = {value.there.data(), m.groups(), picks}}));
    s.wait();
    CAPTURE(m.c.n);
    CAPTURE(k);
    CAPTURE(m.groups());
    CAPTURE(static_cast<int>(how));
    CHECK(index.agrees());
    value.there.fetch();
    for (std::int64_t i = 0; i < m.groups() * picks; ++i)
      CHECK(value.host.at(i) == value.fetched.at(i));  // zeros may differ in sign
    CHECK((value.host.intact() && value.fetched.intact()));
  }
}

template <class S>
void check_knees(mirrored<S>& m, bool ranked, noise& random, const prefer::cuda& exec, stream& s) {
  buffer<std::int32_t> rank(m.c.n, 2);
  for (std::int64_t i = 0; i < m.c.n; ++i) rank.at(i) = static_cast<std::int32_t>(random.uniform(0, 3)) - 1;
  device<std::int32_t> ranks(rank);
  result<std::int64_t> index(m.groups());
  result<double> distance(m.groups(), 2);
  knee_point_inputs<space::host> in{.samples = m.on_host()};
  knee_point_inputs<space::device> there{.samples = m.on_device()};
  if (ranked) in.rank = rank.read(), there.rank = ranks.read();
  const knee_point o{.objectives = objectives_of(m.c)};
  check(knee_points(cpu{}, o, in, {.index = index.host.view(), .distance = distance.host.view()}));
  check(knee_points(exec, o, there, {.index = index.there.view(), .distance = distance.there.view()}));
  s.wait();
  CAPTURE(m.c.n);
  CAPTURE(m.c.k);
  CAPTURE(m.groups());
  CHECK(index.agrees());
  CHECK(distance.agrees());
}

template <class S>
void check_storage() {
  noise random(1);
  stream s;
  const prefer::cuda exec{s.handle};
  for (const auto& [n, size, gap] :
       {std::tuple{0, 0, 0}, std::tuple{1, 0, 1}, std::tuple{33, 0, 0}, std::tuple{60, 12, 1}, std::tuple{64, 0, 3}}) {
    pareto_case c = exact_case<S>(n, 3, points::uniform, random);
    mirrored<S> m(c, {}, size, gap, gap == 1 && size == 0);
    check_picks(m, 2, random, exec, s);
    check_knees(m, n % 2 == 0, random, exec, s);
  }
  for (const char* name : {"scalarized_pick", "knee_point"}) covers<S>(name, "sizes"), covers<S>(name, "strides");
}

}  // namespace

TEST_CASE("picks on CUDA: all element types, strides") {
  SUBCASE("double") { check_storage<double>(); }
  SUBCASE("float") { check_storage<float>(); }
  SUBCASE("half") { check_storage<prefer::half>(); }
  SUBCASE("bfloat16") { check_storage<prefer::bfloat16>(); }
}

TEST_CASE("picks on CUDA: points of every kind, masks, NaN, constraints, groups by offsets") {
  noise random(2);
  stream s;
  const prefer::cuda exec{s.handle};
  for (const points kind : all_points)
    for (const auto& [n, k] : {std::pair{17, 1}, std::pair{70, 4}, std::pair{40, 9}}) {
      pareto_case c = exact_case<double>(n, k, kind, random);
      mirrored<double> one(c), grouped(c, {n / 9, n / 3, n / 3, n - 2});
      check_picks(one, 1 + n % 3, random, exec, s), check_picks(grouped, 1 + n % 3, random, exec, s);
      check_knees(one, n % 2 == 0, random, exec, s), check_knees(grouped, k % 2 == 0, random, exec, s);
    }
  for (const char* name : {"scalarized_pick", "knee_point"}) covers(name, "masked");
}

TEST_CASE("picks on CUDA: a group that several blocks share, with ties between their parts") {
  noise random(3);
  stream s;
  const prefer::cuda exec{s.handle};
  pareto_case c{.n = 9000, .k = 2, .rewards = make_points(points::grid, 9000, 2, random)};
  REQUIRE(detail::parts_of_groups(c.n, 1) > 1);
  mirrored<float> m(c);
  check_picks(m, 2, random, exec, s);
  check_knees(m, true, random, exec, s);
}

TEST_CASE("picks on CUDA only enqueue, with a workspace of the size they name, and are captured and replayed") {
  noise random(4);
  stream s;
  pareto_case c{.n = 600, .k = 3, .rewards = make_points(points::grid, 600, 3, random)};
  mirrored<float> m(c, {}, 50);
  const scalarized_pick_inputs<space::device> in{.samples = m.on_device()};
  const knee_point_inputs<space::device> at{.samples = m.on_device()};
  result<std::int64_t> index(12), knee(12);
  const scalarized_pick_outputs<space::device> out{.index = {index.there.data(), 12, 1}};
  const prefer::cuda bare{s.handle};
  const std::size_t bytes =
      std::max(scalarized_picks_workspace(bare, {}, in, out), knee_points_workspace(bare, {}, at));
  CHECK(bytes < 4096);
  device_workspace memory(bytes);
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  const auto pick = [&] { check(scalarized_picks(exec, {}, in, out)); };
  const auto bend = [&] { check(knee_points(exec, {}, at, {.index = knee.there.view()})); };
  enqueues_only("picks", 2, pick), enqueues_only("knees", 3, bend);
  const cudaGraphExec_t graph = capture(s.handle, [&] { pick(), bend(); });
  for (int replay = 0; replay < 2; ++replay) {
    for (std::int64_t i = 0; i < c.n; ++i) m.host.rewards.set(3 * i + 1, std::floor(random.uniform(0, 9)));
    m.rewards.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    check(scalarized_picks(cpu{}, {}, {.samples = m.on_host()}, {.index = {index.host.data(), 12, 1}}));
    check(knee_points(cpu{}, {}, {.samples = m.on_host()}, {.index = knee.host.view()}));
    CHECK((index.agrees() && knee.agrees()));
  }
  cudaGraphExecDestroy(graph);
  prefer::cuda tight = exec;
  tight.workspace.bytes = 8;
  CHECK(scalarized_picks(tight, {}, in, out).code == errc::small_workspace);
  CHECK(knee_points(tight, {}, at, {.index = knee.there.view()}).code == errc::small_workspace);
  for (const char* name : {"scalarized_pick", "knee_point"}) covers(name, "allocation"), covers(name, "capture");
}

TEST_CASE("picks on CUDA: bad offsets, NaN and bad weights are reported, and what is not bad is right") {
  noise random(5);
  stream s;
  pareto_case c{.n = 60, .k = 3, .rewards = make_points(points::uniform, 60, 3, random)};
  c.rewards[100] = nan_value, c.nan = nan_policy::reject;
  mirrored<double> m(c, {0, 20, 70, 40, 60}), one(c);
  buffer<unsigned long long> word(1);
  word.at(0) = ~0ull;
  device<unsigned long long> report(word);
  const prefer::cuda exec{.stream = s.handle, .report = reinterpret_cast<content_report*>(report.data())};
  const auto found = [&] {
    s.wait();
    report.fetch();
    const content_report r{word.at(0)};
    word.at(0) = ~0ull, report.send();
    return r;
  };
  result<std::int32_t> index(4), pick(2);
  result<double> value(2);
  check(knee_points(exec, {}, {.samples = m.on_device()}, {.index = index.there.view()}));
  const content_report bad = found();
  CHECK((bad.code() == errc::bad_offsets && bad.index() == 1));
  index.there.fetch();
  CHECK((index.fetched.at(1) == -1 && index.fetched.at(2) == -1 && index.fetched.at(0) >= 0));
  check(knee_points(exec, {}, {.samples = one.on_device()}, {.index = {index.there.data(), 1}}));
  const content_report nan = found();
  CHECK((nan.code() == errc::not_a_number && nan.index() == 100));
  buffer<float> weights(6);
  for (std::int64_t i = 0; i < 6; ++i) weights.set(i, i == 4 ? -1 : 1);
  device<float> numbers(weights);
  one.host.rewards.set(100, 0.5), one.rewards.send();
  check(scalarized_picks(exec, {}, {.samples = one.on_device(), .weights = {numbers.data(), 2, 3}},
                         {.index = {pick.there.data(), 1, 2}, .value = {value.there.data(), 1, 2}}));
  const content_report negative = found();
  CHECK((negative.code() == errc::bad_label && negative.index() == 4));
  pick.there.fetch(), value.there.fetch();
  CHECK((pick.fetched.at(0) >= 0 && pick.fetched.at(1) == -1 && std::isnan(value.fetched.at(1))));
  check(scalarized_picks(exec, {}, {.samples = one.on_device(), .reference = {numbers.data(), 2, 3}},
                         {.index = {pick.there.data(), 1, 2}}));
  CHECK(found().code() == errc::ok);
  CHECK(scalarized_picks(exec, {}, {.samples = one.on_device()}, {}).code == errc::missing_output);
  CHECK(knee_points(exec, {}, {}, {}).code == errc::missing_input);
  for (const char* name : {"scalarized_pick", "knee_point"}) covers(name, "bad-argument");
}

TEST_CASE("loops on CUDA do what their description says: sizes, masks, strides, storage types") {
  SUBCASE("float") { check_refinement<float, device_side>(1); }
  SUBCASE("double, strided") { check_refinement<double, device_side>(3); }
  SUBCASE("half") { check_refinement<prefer::half, device_side>(1); }
  SUBCASE("bfloat16, strided") { check_refinement<prefer::bfloat16, device_side>(2); }
}

TEST_CASE("loops on CUDA: a step is one launch that allocates nothing, and replays as the next step") {
  stream s;
  refine_case<float> c(300, 1), expected(300, 1);
  for (std::int64_t i = 0; i < c.n; ++i)
    c.score.set(i, static_cast<double>(i % 9)), expected.score.set(i, c.score.get(i));
  device<float> score(c.score);
  device<std::int32_t> round(c.round);
  device<std::int64_t> best_round(c.best_round);
  device<double> accepted(c.accepted), best(c.best);
  device<std::uint8_t> action(c.action);
  const refinement rule{.rounds = 2};
  const auto step = [&] {
    check(refine_step(prefer::cuda{s.handle}, rule, {.score = score.read()},
                      {round.view(), accepted.view(), best.view(), best_round.view()}, {action.view()}));
  };
  host_side host;
  const auto agrees = [&] {
    action.fetch(), best.fetch();
    expected.run(host, rule);
    CHECK((c.action.values() == expected.action.values() && c.best.values() == expected.best.values()));
  };
  enqueues_only("refinement", 1, step);
  s.wait();
  agrees();
  const cudaGraphExec_t graph = capture(s.handle, step);
  for (std::int64_t i = 0; i < c.n; ++i) c.score.set(i, 4), expected.score.set(i, 4);
  score.send();
  REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
  s.wait();
  cudaGraphExecDestroy(graph);
  agrees();
  CHECK(refused_argument(refine_step(prefer::cuda{s.handle}, rule, {.score = score.read()}, {}, {})) == "round");
  for (const char* tag : {"allocation", "capture", "bad-argument"}) covers("refinement", tag);
}
