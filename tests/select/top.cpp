// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <select/top.hpp>
#include <support/allocations.hpp>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("the best of each group are those of a stable sort: counts, fractions, thresholds, ties, NaN, masks") {
  SUBCASE("float") { check_top<float, host_side>(); }
  SUBCASE("double") { check_top<double, host_side>(); }
  SUBCASE("half") { check_top<half, host_side>(); }
  SUBCASE("bfloat16") { check_top<bfloat16, host_side>(); }
}

namespace {

std::vector<std::int64_t> selected(const select_top& options, const std::vector<float>& score, std::int64_t size = 0) {
  const auto n = static_cast<std::int64_t>(score.size());
  std::vector<std::int64_t> list(score.size());
  std::int64_t begins[65];
  const std::int64_t groups = size > 0 ? n / size : 1;
  std::vector<char> memory(selection_workspace(n, groups));
  check(select(cpu{.workspace = {memory.data(), memory.size()}}, options,
               {.score = {score.data(), n}, .groups = {.size = size}},
               {.indices = {list.data(), n}, .index_offsets = {begins, groups + 1}}));
  list.resize(static_cast<std::size_t>(begins[groups]));
  return list;
}
using list = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("best of n and top k by hand: first on ties, both zeros alike, infinities in order") {
  covers("select_top", "identity");
  CHECK(selected({}, {1, 3, 2, 5, 4, 6}, 3) == list{1, 5});  // RAFT: 1 and 2 of their prompts
  CHECK(selected({.count = 2}, {0.0f, -0.0f, 0.0f, -1}) == list{0, 1});
  CHECK(selected({}, {-0.0f, 0.0f}) == list{0});
  CHECK(selected({.count = 3}, {-HUGE_VALF, 1, HUGE_VALF, 2}) == list{1, 2, 3});
  CHECK(selected({.count = 1, .smallest = true}, {3, -HUGE_VALF, 1}) == list{1});
  CHECK(selected({.count = 9}, {2, 1}) == list{0, 1});
  CHECK(selected({.fraction = 0.1}, std::vector<float>(30, 7)) == list{0, 1, 2});  // 0.1 * 30 is not above 3 here
  CHECK(selected({.fraction = 0.01}, {1, 2, 3}) == list{2});
  CHECK(selected({.fraction = 1.0}, {1, 2, 3}) == list{0, 1, 2});
  CHECK(selected({}, {not_a_number, not_a_number}) == list{});
  CHECK(selected({}, {}) == list{});
}

TEST_CASE("a million scores: the same as sorting, with ties at the cut, in one group and in many") {
  constexpr std::int64_t n = 200000;
  std::vector<float> score(n);
  noise random(4);
  for (float& x : score) x = static_cast<float>(std::floor(random.uniform(0, 5000)));
  for (const std::int64_t keep : {9, 1000, 150000}) {
    std::vector<std::int64_t> order(n);
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
    const auto at = [&](std::int64_t i) { return score[static_cast<std::size_t>(i)]; };
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) { return at(i) > at(j); });
    order.resize(static_cast<std::size_t>(keep));
    std::sort(order.begin(), order.end());
    CHECK(selected({.count = keep}, score) == order);
  }
}

TEST_CASE("selections: a list without room for all is cut, and says how many there were; nothing is allocated") {
  const float score[] = {4, 1, 3, 2, 9, 8};
  std::int64_t some[3] = {-1, -1, -1}, begins[3];
  std::vector<char> memory(selection_workspace(6, 2));
  const long before = allocation_count();
  const status s =
      select(cpu{.workspace = {memory.data(), memory.size()}}, {.count = 2},
             {.score = {score, 6}, .groups = {.size = 3}}, {.indices = {some, 2}, .index_offsets = {begins, 3}});
  CHECK(allocation_count() == before);
  CHECK((s.code == errc::bad_extent && s.argument == std::string("indices") && s.got == 2 && s.limit == 4));
  CHECK((some[0] == 0 && some[1] == 2 && some[2] == -1 && begins[1] == 2 && begins[2] == 4));
  covers("select_top", "allocation");
}

TEST_CASE("the best of each group: the same bits for any threads") {
  constexpr std::int64_t n = 64000;
  scored_samples<float> samples(std::vector<std::int64_t>(1000, 64), true, 8);
  std::vector<std::uint8_t> first(static_cast<std::size_t>(samples.n)), again = first;
  const top_inputs<space::host> in = {.score = samples.score.read(),
                                      .groups = {.offsets = samples.groups.offsets.read()}};
  check(select(cpu{}, {.count = 5}, in, {.mask = {first.data(), samples.n}}));
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    check(select(cpu{.pool = pool}, {.count = 5}, in, {.mask = {again.data(), samples.n}}));
    CHECK(first == again);
  }
  CHECK(samples.n > n);
  covers("select_top", "threads");
}

TEST_CASE("the best of each group: what is wrong is named, and nothing is written") {
  covers("select_top", "bad-argument");
  float score[] = {1, 2, not_a_number, 4};
  int offsets[] = {0, 2, 4};
  bool mask[] = {true, true, true, true}, out[] = {true, true, true, true};
  std::int64_t list[4];
  const auto refused = [&](const select_top& options, const top_inputs<space::host>& in,
                           const selection_outputs<space::host>& to, cpu exec = {}) {
    const status s = select(exec, options, in, to);
    for (bool x : out) CHECK(x);
    return refused_argument(s);
  };
  const top_inputs<space::host> in = {.score = {score, 4}, .mask = {mask, 4}, .groups = {.offsets = {offsets, 3}}};
  CHECK(refused({.count = -1}, in, {.mask = {out, 4}}) == "count");
  CHECK(refused({.fraction = 1.5}, in, {.mask = {out, 4}}) == "fraction");
  CHECK(refused({.fraction = -0.5}, in, {.mask = {out, 4}}) == "fraction");
  CHECK(refused({.limit = not_a_number}, in, {.mask = {out, 4}}) == "limit");
  CHECK(refused({}, {}, {.mask = {out, 4}}) == "score");
  CHECK(refused({}, {.score = {offsets, 3}}, {.mask = {out, 4}}) == "score");
  CHECK(refused({}, in, {}) == "outputs");
  CHECK(refused({}, in, {.mask = {out, 3}}) == "mask");
  CHECK(refused({}, in, {.mask = {mask, 4}}) == "mask");
  CHECK(refused({}, in, {.mask = {out, 4}, .count = {list, 3}}) == "count");
  CHECK(refused({}, in, {.mask = {out, 4}, .index_offsets = {list, 4}}) == "index_offsets");
  CHECK(refused({}, in, {.mask = {out, 4}, .indices = {list, 4}}) == "exec.workspace.bytes");
  CHECK(refused({}, in, {.mask = {out, 4}}, cpu{.content = content::all}) == "score");
  offsets[1] = 5;
  CHECK(refused({}, in, {.mask = {out, 4}}) == "groups.offsets");
  offsets[1] = -1;
  CHECK(refused({}, in, {.mask = {out, 4}}) == "groups.offsets");
}
