// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
//
// Pareto selection on CUDA in one program, since all of it shares a sort that is expensive to compile. What is expected
// is what the CPU finds, whose tests hold it against the definitions, and the definition itself for small sets.
#include <prefer/select/crowding_distance.cuh>
#include <prefer/select/non_dominated.cuh>
#include <prefer/select/non_dominated_ranks.cuh>
#include <prefer/select/pareto_truncation.cuh>
#include <prefer/select/running_front.cuh>
#include <select/mirrored_case.cuh>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>
#include <utility>

using namespace prefer;
using namespace prefer_test;

namespace {

constexpr pareto_algorithm set_methods[] = {pareto_algorithm::automatic, pareto_algorithm::all_pairs,
                                            pareto_algorithm::sorted};

template <class S>
void check_set(mirrored<S>& m, pareto_algorithm method, const prefer::cuda& exec, cudaStream_t s) {
  const non_dominated o{.objectives = objectives_of(m.c), .method = method};
  result<bool> mask(m.c.n, 2), mask_alone(m.c.n);
  result<std::int32_t> count(m.groups(), 3);
  result<std::int64_t> indices(m.c.n), begins(m.groups() + 1);
  check(non_dominated_set(cpu{}, o, m.on_host(),
                          {.mask = mask.host.view(),
                           .count = count.host.view(),
                           .indices = indices.host.view(),
                           .index_offsets = begins.host.view()}));
  check(non_dominated_set(cpu{}, o, m.on_host(), {.mask = mask_alone.host.view()}));
  check(non_dominated_set(exec, o, m.on_device(),
                          {.mask = mask.there.view(),
                           .count = count.there.view(),
                           .indices = indices.there.view(),
                           .index_offsets = begins.there.view()}));
  REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
  check(non_dominated_set(exec, o, m.on_device(), {.mask = mask_alone.there.view()}));
  REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
  CAPTURE(m.c.n);
  CAPTURE(m.c.k);
  CAPTURE(static_cast<int>(method));
  CAPTURE(static_cast<int>(m.c.dominance));
  CAPTURE(static_cast<int>(m.c.duplicates));
  CAPTURE(m.c.violation.size());
  CAPTURE(m.c.mask.size());
  CAPTURE(m.group_size);
  CHECK(mask.agrees());
  CHECK((mask_alone.agrees() && count.agrees() && begins.agrees()));
  CHECK(indices.agrees());
  for (std::int64_t b = 0; b < m.groups() && m.c.n <= 70; ++b) {
    const auto front = m.c.front(m.begin(b), m.begin(b + 1));
    CHECK(count.fetched.at(b) == static_cast<std::int32_t>(front.size()));
    CHECK(std::all_of(front.begin(), front.end(), [&](std::int64_t i) { return mask.fetched.at(i); }));
  }
}

template <class S>
void check_ranks(mirrored<S>& m, std::int64_t most_fronts, const prefer::cuda& exec, cudaStream_t s) {
  non_dominated_sorting o{.objectives = objectives_of(m.c)};
  if (m.c.duplicates == duplicates::drop) o.objectives.duplicates = duplicates::first;
  if (most_fronts > 0) o.most_fronts = most_fronts;
  result<std::int32_t> rank(m.c.n, 2);
  result<std::int64_t> fronts(m.groups());
  check(non_dominated_ranks(cpu{}, o, m.on_host(), {.rank = rank.host.view(), .fronts = fronts.host.view()}));
  check(non_dominated_ranks(exec, o, m.on_device(), {.rank = rank.there.view(), .fronts = fronts.there.view()}));
  REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
  CAPTURE(m.c.n);
  CAPTURE(m.c.k);
  CAPTURE(m.group_size);
  CAPTURE(m.offsets.size());
  CAPTURE(static_cast<int>(m.c.dominance));
  CAPTURE(static_cast<int>(m.c.duplicates));
  CAPTURE(m.c.violation.size());
  CHECK(rank.agrees());
  CHECK(fronts.agrees());
}

std::vector<std::int64_t> draw_offsets(std::int64_t n, noise& random) {
  std::vector<std::int64_t> at{n / 9};
  while (at.back() < n - n / 7) {
    at.push_back(std::min(
        n, at.back() + static_cast<std::int64_t>(
                           random.uniform(0, 1) < 0.3 ? 0 : random.uniform(0, 1 + static_cast<double>(n) / 3))));
  }
  return at;
}

// With ranks, or without.
template <class S>
void check_crowding(mirrored<S>& m, int fronts, noise& random, const prefer::cuda& exec, cudaStream_t s) {
  m.c.violation.clear();
  const crowding o{.objectives = objectives_of(m.c)};
  buffer<std::int32_t> rank(m.c.n, 2);
  for (std::int64_t i = 0; i < m.c.n; ++i) rank.at(i) = static_cast<std::int32_t>(random.uniform(0, fronts + 1)) - 1;
  device<std::int32_t> ranks(rank);
  result<S> distance(m.c.n, 3);
  crowding_inputs<space::host> in{.samples = m.on_host()};
  crowding_inputs<space::device> there{.samples = m.on_device()};
  if (fronts > 0) in.rank = rank.read(), there.rank = ranks.read();
  check(crowding_distances(cpu{}, o, in, {.distance = distance.host.view()}));
  check(crowding_distances(exec, o, there, {.distance = distance.there.view()}));
  REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
  CAPTURE(m.c.n);
  CAPTURE(m.c.k);
  CAPTURE(fronts);
  CHECK(distance.agrees());
}

template <class S>
void check_truncation(std::int64_t n, std::int64_t budget, const std::vector<std::int64_t>& at, std::int64_t group_size,
                      noise& random, const prefer::cuda& exec, cudaStream_t s) {
  buffer<S> distance(n, 2);
  buffer<std::int64_t> rank(n, 3), offsets(static_cast<std::int64_t>(at.size()));
  for (std::int64_t i = 0; i < n; ++i) {
    const double u = random.uniform(0, 1);
    distance.set(i, u < 0.2 ? std::numeric_limits<double>::infinity() : u < 0.3 ? nan_value : std::floor(u * 8) - 4);
    rank.at(i) = static_cast<std::int64_t>(random.uniform(0, 4)) - 1;
  }
  for (std::size_t b = 0; b < at.size(); ++b) offsets.at(static_cast<std::int64_t>(b)) = at[b];
  device<S> distances(distance);
  device<std::int64_t> ranks(rank), begins(offsets);
  const std::int64_t groups = !at.empty() ? offsets.size() - 1 : group_size > 0 ? n / group_size : 1;
  result<std::uint8_t> mask(n, 2);
  result<std::int32_t> count(groups), indices(groups * (budget + 1));
  const pareto_truncation o{.budget = budget, .group_size = group_size};
  pareto_truncation_inputs<space::host> in{.rank = rank.read(), .distance = distance.read()};
  pareto_truncation_inputs<space::device> there{.rank = ranks.read(), .distance = distances.read()};
  if (!at.empty()) in.offsets = offsets.read(), there.offsets = begins.read();
  check(truncate_fronts(cpu{}, o, in,
                        {.mask = mask.host.view(),
                         .count = count.host.view(),
                         .indices = {indices.host.data(), groups, budget, budget + 1, 1}}));
  check(truncate_fronts(exec, o, there,
                        {.mask = mask.there.view(),
                         .count = count.there.view(),
                         .indices = {indices.there.data(), groups, budget, budget + 1, 1}}));
  REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
  CAPTURE(n);
  CAPTURE(budget);
  CAPTURE(groups);
  CHECK((mask.agrees() && count.agrees() && indices.agrees()));
}

// Every element type through all calls: they differ in how an element is read alone.
template <class S>
void check_storage() {
  noise random(19);
  stream s;
  const prefer::cuda exec{s.handle};
  for (const auto& [n, size, gap] : {std::tuple{33, 0, 0}, std::tuple{60, 12, 1}, std::tuple{64, 0, 3}}) {
    pareto_case c = draw(points::grid, n, 3, random);
    mirrored<S> m(c, {}, size, gap, gap == 1 && size == 0);
    check_set(m, gap == 0 ? pareto_algorithm::sorted : pareto_algorithm::automatic, exec, s.handle);
    check_ranks(m, 0, exec, s.handle);
    check_crowding(m, 3, random, exec, s.handle);
    check_truncation<S>(n, 9, {}, size, random, exec, s.handle);
  }
  for (const char* name : {"non_dominated", "non_dominated_ranks", "crowding_distance", "pareto_truncation"})
    covers<S>(name, "sizes");
}

}  // namespace

TEST_CASE("Pareto selection on CUDA: all element types, strides") {
  SUBCASE("double") { check_storage<double>(); }
  SUBCASE("float") { check_storage<float>(); }
  SUBCASE("half") { check_storage<prefer::half>(); }
  SUBCASE("bfloat16") { check_storage<prefer::bfloat16>(); }
}

TEST_CASE("the set on CUDA: sizes from 0 to 70, 1 to 9 objectives, every option, in one group, in groups, by offsets") {
  noise random(11);
  stream s;
  const prefer::cuda exec{s.handle};
  for (std::int64_t n = 0; n <= 70; n += n < 3 ? 1 : 6)
    for (int k = 1; k <= 9; k += 1 + static_cast<int>(n) % 3) {
      pareto_case c = draw(all_points[(n + k) % 10], n, k, random);
      mirrored<double> one(c), grouped(c, draw_offsets(n, random));
      check_set(one, set_methods[n % 3], exec, s.handle);
      check_set(grouped, set_methods[(n + k) % 3], exec, s.handle);
      if (n % 5 != 0 || n == 0) continue;
      mirrored<float> equal(c, {}, 5);
      check_set(equal, set_methods[k % 3], exec, s.handle);
    }
  covers("non_dominated", "masked");
}

TEST_CASE("the set on CUDA: a few thousand samples of every kind, by each algorithm") {
  noise random(12);
  stream s;
  const prefer::cuda exec{s.handle};
  for (const points kind : all_points)
    for (const auto& [n, k] : {std::pair{700, 2}, std::pair{1500, 3}, std::pair{300, 7}, std::pair{70, 33}}) {
      pareto_case c = draw(kind, n, k, random);
      mirrored<float> m(c, k % 2 == 0 ? std::vector<std::int64_t>{} : draw_offsets(n, random));
      check_set(m, set_methods[static_cast<int>(kind) % 3], exec, s.handle);
    }
}

TEST_CASE("ranks on CUDA: sizes from 0 to 70, 1 to 9 objectives, every option, in one group, in groups, by offsets") {
  noise random(13);
  stream s;
  const prefer::cuda exec{s.handle};
  for (std::int64_t n = 0; n <= 70; n += n < 3 ? 1 : 6)
    for (int k = 1; k <= 9; k += 1 + static_cast<int>(n) % 3) {
      pareto_case c = draw(all_points[(n + k) % 10], n, k, random);
      mirrored<double> one(c), grouped(c, draw_offsets(n, random));
      check_ranks(one, n % 4 == 0 ? 1 + n % 7 : 0, exec, s.handle);
      check_ranks(grouped, n % 4 == 1 ? 1 + n % 7 : 0, exec, s.handle);
      if (n % 5 != 0 || n == 0) continue;
      mirrored<float> equal(c, {}, 5);
      check_ranks(equal, 0, exec, s.handle);
    }
  covers("non_dominated_ranks", "masked");
}

TEST_CASE("ranks on CUDA: many samples, whose tiles wait for each other") {
  noise random(14);
  stream s;
  const prefer::cuda exec{s.handle};
  for (const points kind : all_points)
    for (const auto& [n, k] : {std::pair{600, 2}, std::pair{900, 3}, std::pair{270, 33}}) {
      pareto_case c = draw(kind, n, k, random);
      mirrored<float> m(c, k == 3 ? draw_offsets(n, random) : std::vector<std::int64_t>{});
      check_ranks(m, 0, exec, s.handle);
    }
}

TEST_CASE("crowding distances on CUDA: the bits of the CPU, in one front, by ranks, in groups") {
  noise random(15);
  stream s;
  const prefer::cuda exec{s.handle};
  for (const points kind : all_points)
    for (const std::int64_t n : {static_cast<int>(kind) % 4, static_cast<int>(kind) % 2 == 0 ? 17 : 60}) {
      pareto_case c = draw(kind, n, 1 + static_cast<int>(n) % 4, random);
      mirrored<double> grouped(c, draw_offsets(n, random));
      check_crowding(grouped, static_cast<int>(n) % 4, random, exec, s.handle);
      mirrored<float> one(c);
      check_crowding(one, 1 + static_cast<int>(n) % 3, random, exec, s.handle);
      if (n != 60) continue;
      mirrored<prefer::half> equal(c, {}, 12);
      check_crowding(equal, 3, random, exec, s.handle);
    }
  pareto_case c = draw(points::grid, 1100, 2, random);
  mirrored<float> many(c);
  check_crowding(many, 2, random, exec, s.handle);
  covers("crowding_distance", "masked");
}

TEST_CASE("truncation on CUDA: groups, budgets, ties, NaN, what is in no front") {
  noise random(16);
  stream s;
  const prefer::cuda exec{s.handle};
  for (const std::int64_t n : {0, 1, 17, 60, 600})
    for (const std::int64_t budget : {std::int64_t{0}, n / 3, n + 2}) {
      check_truncation<float>(n, budget, {}, 0, random, exec, s.handle);
      check_truncation<double>(n, budget, draw_offsets(n, random), 0, random, exec, s.handle);
      if (n % 60 == 0 && n > 0) check_truncation<prefer::bfloat16>(n, budget, {}, 15, random, exec, s.handle);
    }
  covers("pareto_truncation", "masked");
}

TEST_CASE("workspaces on CUDA grow with the elements, also where many samples are one group") {
  stream s;
  const prefer::cuda exec{s.handle};
  device_workspace somewhere(64);  // sizes come from shapes: nothing is read
  const auto* const rewards = static_cast<const float*>(somewhere.get().data);
  auto* const rank = static_cast<std::int32_t*>(somewhere.get().data);
  using samples = objective_samples<space::device>;
  const auto bytes_of = [&](std::int64_t groups, std::int64_t n, std::int64_t k, pareto_algorithm method) {
    const samples in = groups == 1 ? samples{.rewards = {rewards, n, k}}
                                   : samples{.reward_groups = {rewards, groups, n / groups, k}};
    return std::array<double, 4>{
        static_cast<double>(non_dominated_workspace(exec, {.method = method}, in)),
        static_cast<double>(non_dominated_ranks_workspace(exec, {}, in)),
        static_cast<double>(crowding_distances_workspace(exec, {}, crowding_inputs<space::device>{.samples = in})),
        static_cast<double>(truncate_fronts_workspace(exec, {.budget = 4, .group_size = n / groups},
                                                      pareto_truncation_inputs<space::device>{.rank = {rank, n}}))};
  };
  for (const std::int64_t groups : {1, 16384})
    for (const std::int64_t k : {1, 2, 3, 8, 40})
      for (const pareto_algorithm method : {pareto_algorithm::automatic, pareto_algorithm::sorted}) {
        constexpr std::int64_t n = 1 << 20;
        const auto once = bytes_of(groups, n, k, method), twice = bytes_of(groups, 2 * n, k, method);
        for (std::size_t call = 0; call < once.size(); ++call) {
          CAPTURE(groups);
          CAPTURE(k);
          CAPTURE(call);
          CHECK(once[call] < static_cast<double>(n * (4 * k + 128)));
          CHECK(twice[call] < 2.01 * once[call] + 65536);
        }
      }
}

TEST_CASE(
    "Pareto selection on CUDA only enqueues, with a workspace of the size it names, and is captured and replayed") {
  noise random(17);
  stream s;
  for (const bool large : {false, true}) {
    pareto_case c = draw(points::uniform, 1500, 3, random);
    c.nan = nan_policy::ignore, c.duplicates = duplicates::first, c.mask.clear(), c.violation.clear();
    c.tolerances.clear(), c.dominance = dominance::pareto;
    mirrored<float> m(c, {}, large ? 0 : 50);
    const objectives o = objectives_of(c);
    const non_dominated set{.objectives = o};
    const non_dominated_sorting sorting{.objectives = o};
    const crowding crowd{.objectives = o};
    const pareto_truncation cut{.budget = 10, .group_size = large ? 0 : 50};
    const std::int64_t groups = m.groups(), n = c.n;
    result<bool> mask(n), kept(n);
    result<std::int64_t> count(groups), indices(n);
    result<std::int32_t> rank(n), fronts(groups);
    result<double> distance(n);
    const auto call = [&](const auto& exec, const auto& in, auto side) {
      const auto view = [&](auto& r) { return side(r); };
      check(non_dominated_set(exec, set, in, {.mask = view(mask), .count = view(count), .indices = view(indices)}));
      check(non_dominated_ranks(exec, sorting, in, {.rank = view(rank), .fronts = view(fronts)}));
      check(crowding_distances(exec, crowd, {.samples = in, .rank = view(rank)}, {.distance = view(distance)}));
      check(truncate_fronts(exec, cut, {.rank = view(rank), .distance = view(distance)}, {.mask = view(kept)}));
    };
    const auto here = [](auto& r) { return r.host.view(); };
    const auto there = [](auto& r) { return r.there.view(); };
    const objective_samples<space::device> in = m.on_device();
    const prefer::cuda bare{s.handle};
    const std::size_t bytes =
        std::max({non_dominated_workspace(bare, set, in), non_dominated_ranks_workspace(bare, sorting, in),
                  crowding_distances_workspace(bare, crowd, crowding_inputs<space::device>{.samples = in}),
                  truncate_fronts_workspace(bare, cut, pareto_truncation_inputs<space::device>{.rank = there(rank)})});
    CHECK(bytes < static_cast<std::size_t>(n) * 160 + (std::size_t{1} << 16));
    device_workspace memory(bytes);
    const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
    if (!large) {
      enqueues_only("small sets", 1, [&] { check(non_dominated_set(bare, set, in, {.mask = there(mask)})); });
      enqueues_only("small ranks", 1, [&] { check(non_dominated_ranks(bare, sorting, in, {.rank = there(rank)})); });
    }
    const cudaGraphExec_t graph = capture(s.handle, [&] { call(exec, in, there); });
    for (int replay = 0; replay < 2; ++replay) {
      for (std::int64_t i = 0; i < n; ++i) m.host.rewards.set(3 * i + 1, random.uniform(0, 1));
      m.rewards.send();
      REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
      s.wait();
      call(cpu{}, m.on_host(), here);
      CHECK(
          (mask.agrees() && count.agrees() && rank.agrees() && fronts.agrees() && distance.agrees() && kept.agrees()));
      indices.agrees();
      std::int64_t all = 0;
      for (std::int64_t b = 0; b < groups; ++b) all += count.host.at(b);
      for (std::int64_t i = 0; i < all; ++i) CHECK(indices.host.at(i) == indices.fetched.at(i));
    }
    cudaGraphExecDestroy(graph);
    prefer::cuda tight = exec;
    tight.workspace.bytes = 8;
    if (large) {
      const auto refused = non_dominated_set(tight, set, in, {.mask = there(mask)});
      CHECK(refused.code == errc::small_workspace);
    }
  }
  for (const char* name : {"non_dominated", "non_dominated_ranks", "crowding_distance", "pareto_truncation"})
    covers(name, "allocation"), covers(name, "capture");
}

TEST_CASE("Pareto selection on CUDA: bad offsets and NaN are reported, and what is not bad is right") {
  stream s;
  noise random(18);
  for (const pareto_algorithm method : set_methods) {
    pareto_case c{.n = 60, .k = 3, .rewards = make_points(points::uniform, 60, 3, random)};
    c.rewards[100] = nan_value;
    c.nan = nan_policy::reject;
    mirrored<double> m(c, {0, 20, 70, 40, 60});
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
    result<bool> mask(60);
    result<std::int32_t> count(4), rank(60), fronts(4);
    check(non_dominated_set(exec, {.objectives = objectives_of(c), .method = method}, m.on_device(),
                            {.mask = mask.there.view(), .count = count.there.view()}));
    CHECK(found().code() == errc::bad_offsets);
    check(non_dominated_ranks(exec, {.objectives = objectives_of(c)}, m.on_device(),
                              {.rank = rank.there.view(), .fronts = fronts.there.view()}));
    const content_report bad = found();
    CHECK((bad.code() == errc::bad_offsets && bad.index() == 1));
    mask.there.fetch(), count.there.fetch(), rank.there.fetch(), fronts.there.fetch();
    for (const std::int64_t b : {0, 3}) {
      const auto front = c.front(b == 0 ? 0 : 40, b == 0 ? 20 : 60);
      CHECK(count.fetched.at(b) == static_cast<std::int32_t>(front.size()));
      for (const std::int64_t i : front) CHECK((mask.fetched.at(i) && rank.fetched.at(i) == 0));
    }
    CHECK((count.fetched.at(1) == 0 && count.fetched.at(2) == 0 && fronts.fetched.at(1) == 0));
    mirrored<double> one(c);
    check(non_dominated_set(exec, {.objectives = objectives_of(c), .method = method}, one.on_device(),
                            {.mask = mask.there.view()}));
    const content_report nan = found();
    CHECK((nan.code() == errc::not_a_number && nan.index() == 100));
    check(non_dominated_ranks(exec, {.objectives = objectives_of(c)}, one.on_device(), {.rank = rank.there.view()}));
    CHECK((found().code() == errc::not_a_number));
    mask.there.fetch(), rank.there.fetch();
    CHECK((!mask.fetched.at(33) && rank.fetched.at(33) == -1));
    c.nan = nan_policy::ignore;
    check(non_dominated_set(exec, {.objectives = objectives_of(c), .method = method}, one.on_device(),
                            {.indices = {rank.there.data(), 1}}));
    CHECK(found().code() == errc::bad_extent);
    rank.there.fetch();
    CHECK(rank.fetched.at(0) == static_cast<std::int32_t>(c.front(0, 60)[0]));
    const status refused = non_dominated_set(exec, {}, one.on_device(), {});
    CHECK(refused.code == errc::missing_output);
  }
  buffer<std::int64_t> few(3), at(3);
  at.at(0) = 0, at.at(1) = 9, at.at(2) = 3;
  for (std::int64_t i = 0; i < 3; ++i) few.at(i) = 0;
  device<std::int64_t> ranks(few), offsets(at);
  buffer<unsigned long long> word(1);
  word.at(0) = ~0ull;
  device<unsigned long long> report(word);
  const prefer::cuda exec{.stream = s.handle, .report = reinterpret_cast<content_report*>(report.data())};
  result<bool> kept(3);
  result<std::int32_t> count(2);
  check(truncate_fronts(exec, {.budget = 2}, {.rank = ranks.read(), .offsets = offsets.read()},
                        {.mask = kept.there.view(), .count = count.there.view()}));
  s.wait();
  report.fetch(), count.there.fetch();
  CHECK((content_report{word.at(0)}.code() == errc::bad_offsets && content_report{word.at(0)}.index() == 0));
  CHECK((count.fetched.at(0) == 0 && count.fetched.at(1) == 0 && kept.agrees()));
  check(truncate_fronts(exec, {.budget = std::numeric_limits<std::int64_t>::max()}, {.rank = ranks.read()},
                        {.mask = kept.there.view()}));
  s.wait();
  kept.there.fetch();
  CHECK((kept.fetched.at(0) && kept.fetched.at(1) && kept.fetched.at(2)));
  CHECK(truncate_fronts(exec, {.budget = -1}, {.rank = ranks.read()}, {.mask = kept.there.view()}).code ==
        errc::bad_parameter);
  CHECK(crowding_distances(exec, {}, {}, {}).code == errc::missing_input);
  for (const char* name : {"non_dominated", "non_dominated_ranks", "crowding_distance", "pareto_truncation"})
    covers(name, "bad-argument");
}

namespace {

// A front on both sides, with room between its rows.
template <class S>
struct both_fronts {
  std::int64_t capacity, k;
  result<S> rewards, violation;
  result<std::int32_t> ids;
  result<std::int64_t> count;
  bool constrained;

  both_fronts(std::int64_t rows, std::int64_t objectives, bool violations)
      : capacity(rows),
        k(objectives),
        rewards(rows * (objectives + 1)),
        violation(rows, 2),
        ids(rows, 3),
        count(1),
        constrained(violations) {
    count.host.at(0) = 0, count.fetched.at(0) = 0, count.there.send();
  }
  running_front on_host() { return view<space::host>([](auto& r) -> auto& { return r.host; }); }
  device_running_front on_device() { return view<space::device>([](auto& r) -> auto& { return r.there; }); }
  bool agrees() { return rewards.agrees() && violation.agrees() && ids.agrees() && count.agrees(); }

 private:
  template <prefer::space M, class Side>
  running_front_in<M> view(Side side) {
    running_front_in<M> f{.rewards = {side(rewards).data(), capacity, k, k + 1, 1},
                          .ids = side(ids).view(),
                          .count = side(count).view()};
    if (constrained) f.violation = side(violation).view();
    return f;
  }
};

template <space M, class S, class V, class F>
front_samples_in<M> block_of(const mirrored<S>& m, S* rewards, const V& violation, const F& mask, std::int64_t begin,
                             std::int64_t end) {
  front_samples_in<M> in{.rewards = {rewards + begin * m.host.row, end - begin, m.c.k, m.host.row, m.host.along},
                         .first_id = begin};
  const auto part = [&](const auto& v) {
    auto p = v;
    p.data += begin * v.stride[0], p.extent[0] = end - begin;
    return p;
  };
  if (!m.c.violation.empty()) in.violation = part(violation);
  if (!m.c.mask.empty()) in.mask = part(mask);
  return in;
}
template <class S>
front_samples host_block(mirrored<S>& m, std::int64_t begin, std::int64_t end) {
  return block_of<space::host>(m, m.host.rewards.data(), m.host.violation.read(), m.host.mask.read(), begin, end);
}
template <class S>
device_front_samples device_block(mirrored<S>& m, std::int64_t begin, std::int64_t end) {
  return block_of<space::device>(m, m.rewards.data(), m.violation.read(), m.mask.read(), begin, end);
}

// Blocks into two fronts, which are merged either way.
template <class S>
void check_running(points kind, std::int64_t n, int k, noise& random, const prefer::cuda& exec, cudaStream_t s) {
  pareto_case c = draw(kind, n, k, random);
  if (c.duplicates == duplicates::drop) c.duplicates = duplicates::first;
  mirrored<S> m(c, {}, 0, 1);
  const objectives o = objectives_of(c);
  both_fronts<S> a(n, k, !c.violation.empty()), b(n + 1, k, !c.violation.empty());
  for (std::int64_t begin = 0, nth = 0; begin < n; ++nth) {
    const std::int64_t end = std::min(n, begin + 1 + static_cast<std::int64_t>(random.uniform(0, 20)));
    both_fronts<S>& into = nth % 2 == 0 ? a : b;
    check(insert_into_front(cpu{}, o, into.on_host(), host_block(m, begin, end)));
    check(insert_into_front(exec, o, into.on_device(), device_block(m, begin, end)));
    begin = nth % 5 == 4 ? end - 1 : end;  // some come again
  }
  REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
  CAPTURE(n);
  CAPTURE(k);
  CHECK((a.agrees() && b.agrees()));
  check(merge_fronts(cpu{}, o, a.on_host(), b.on_host()));
  check(merge_fronts(exec, o, a.on_device(), b.on_device()));
  REQUIRE(cudaStreamSynchronize(s) == cudaSuccess);
  CHECK((a.agrees() && b.agrees()));
  const auto front = c.front(0, n);
  CHECK(a.count.fetched.at(0) == static_cast<std::int64_t>(front.size()));
  for (std::size_t r = 0; r < front.size(); ++r) CHECK(a.ids.fetched.at(static_cast<std::int64_t>(r)) == front[r]);
}

}  // namespace

TEST_CASE("running fronts on CUDA: blocks and merges give the rows of the CPU, whatever the options") {
  noise random(21);
  stream s;
  const prefer::cuda exec{s.handle};
  for (const points kind : all_points) {
    const auto which = static_cast<int>(kind);
    check_running<double>(kind, 1 + 9 * which, 1 + which % 5, random, exec, s.handle);
    check_running<float>(kind, 60, 3, random, exec, s.handle);
  }
  check_running<prefer::half>(points::grid, 50, 2, random, exec, s.handle);
  check_running<prefer::bfloat16>(points::grid, 50, 3, random, exec, s.handle);
  covers<double>("running_front", "sizes"), covers<float>("running_front", "sizes");
  covers<prefer::half>("running_front", "sizes"), covers<prefer::bfloat16>("running_front", "sizes");
  covers("running_front", "masked");
}

TEST_CASE("running fronts on CUDA: what is wrong is reported, and the front is as it was") {
  stream s;
  buffer<unsigned long long> word(1);
  word.at(0) = ~0ull;
  device<unsigned long long> report(word);
  const prefer::cuda exec{.stream = s.handle, .report = reinterpret_cast<content_report*>(report.data())};
  both_fronts<double> f(3, 2, false), other(2, 2, false);
  buffer<double> r(8);
  r.fill({1, 4, 2, 3, 3, 2, 4, 1});
  buffer<std::int64_t> ids(4);
  device<double> rewards(r);
  device<std::int64_t> names(ids);
  check(insert_into_front(exec, {}, f.on_device(), {.rewards = {rewards.data(), 2, 2}, .first_id = 5}));
  s.wait();
  f.count.there.fetch(), f.ids.there.fetch();
  REQUIRE((f.count.fetched.at(0) == 2 && f.ids.fetched.at(1) == 6));
  const auto refused = [&](errc code, std::int64_t at, const auto& call) {
    const auto before = f.rewards.fetched.bytes();
    call();
    s.wait();
    report.fetch();
    const content_report found{word.at(0)};
    CHECK((found.code() == code && found.index() == at));
    f.count.there.fetch(), f.ids.there.fetch(), f.rewards.there.fetch();
    CHECK((f.ids.fetched.at(0) == 5 && f.ids.fetched.at(1) == 6 && f.rewards.fetched.bytes() == before));
    word.at(0) = ~0ull, report.send();
  };
  const auto insert = [&](const device_front_samples& in) { check(insert_into_front(exec, {}, f.on_device(), in)); };
  f.rewards.there.fetch();
  const device_front_samples two{.rewards = {rewards.data() + 4, 2, 2}, .first_id = 9};
  refused(errc::bad_extent, 4, [&] { insert(two); });  // 4 rows and no room
  CHECK(f.count.fetched.at(0) == 2);
  refused(errc::bad_index, 1, [&] {
    ids.at(0) = 9, ids.at(1) = 9, names.send();
    insert({.rewards = two.rewards, .ids = {names.data(), 2}});
  });
  refused(errc::bad_index, 0, [&] {
    insert({.rewards = two.rewards, .first_id = std::int64_t{1} << 40});
  });
  refused(errc::bad_index, 0, [&] {
    f.count.fetched.at(0) = 4, f.count.there.send();
    insert(two);
  });
  refused(errc::bad_index, 0, [&] {
    f.count.fetched.at(0) = 2, f.count.there.send();
    other.count.fetched.at(0) = -1, other.count.there.send();
    check(merge_fronts(exec, {}, f.on_device(), other.on_device()));
  });
  r.fill({1, nan_value, 0, 0, 0, 0, 0, 0}), rewards.send();
  refused(errc::not_a_number, 1, [&] { insert({.rewards = {rewards.data(), 2, 2}, .first_id = 8}); });
  CHECK(f.count.fetched.at(0) == 2);
  CHECK(insert_into_front(exec, {}, {}, two).code == errc::missing_input);
  CHECK(insert_into_front(exec, {}, f.on_device(), {}).code == errc::missing_input);
  CHECK(insert_into_front(exec, {.duplicates = duplicates::drop}, f.on_device(), two).code == errc::bad_parameter);
  CHECK(merge_fronts(exec, {}, f.on_device(), f.on_device()).code == errc::overlap);
  covers("running_front", "bad-argument");
}

TEST_CASE("running fronts on CUDA only enqueue, with a workspace of the size they name, and are captured") {
  noise random(22);
  stream s;
  pareto_case c{.n = 40, .k = 3, .rewards = make_points(points::uniform, 40, 3, random)};
  mirrored<float> m(c);
  both_fronts<float> f(200, 3, false);
  const prefer::cuda bare{s.handle};
  device_workspace memory(insert_into_front_workspace(bare, {}, f.on_device(), 40));
  const prefer::cuda exec{.stream = s.handle, .workspace = memory.get()};
  buffer<std::int64_t> ids(40);
  device<std::int64_t> names(ids);
  const auto insert = [&] {
    device_front_samples in = device_block(m, 0, 40);
    in.ids = names.read();
    check(insert_into_front(exec, {}, f.on_device(), in));
  };
  enqueues_only("running front", 7, insert);
  f.count.there.send();
  const cudaGraphExec_t graph = capture(s.handle, insert);
  for (std::int64_t replay = 0; replay < 3; ++replay) {
    for (std::int64_t i = 0; i < 120; ++i) m.host.rewards.set(i, random.uniform(0, 1));
    for (std::int64_t i = 0; i < 40; ++i) ids.at(i) = 40 * replay + i;
    m.rewards.send(), names.send();
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    front_samples in = host_block(m, 0, 40);
    in.ids = ids.read();
    check(insert_into_front(cpu{}, {}, f.on_host(), in));
    CHECK(f.agrees());
  }
  cudaGraphExecDestroy(graph);
  prefer::cuda tight = exec;
  tight.workspace.bytes = 8;
  CHECK(insert_into_front(tight, {}, f.on_device(), device_block(m, 0, 40)).code == errc::small_workspace);
  covers("running_front", "allocation"), covers("running_front", "capture");
}
