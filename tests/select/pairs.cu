// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/select/hierarchical_comparator.cuh>
#include <prefer/select/pair_filters.cuh>
#include <prefer/select/queries.cuh>
#include <select/pairs.hpp>
#include <support/side.cuh>

using namespace prefer_test;

namespace {

template <class S>
void check_all() {
  check_curation<S, device_side>(), check_consistency<S, device_side>(), check_consequence<S, device_side>();
  check_votes<S, device_side>(), check_margins<S, device_side>();
  check_hierarchy<S, device_side>();
  check_queries<S, device_side>(), check_directions<S, device_side>(), check_centers<S, device_side>();
}

}  // namespace

TEST_CASE("on CUDA filters, comparisons, queries and centres are their definitions") {
  SUBCASE("float") { check_all<float>(); }
  SUBCASE("double") { check_all<double>(); }
  SUBCASE("half") { check_all<prefer::half>(); }
  SUBCASE("bfloat16") { check_all<prefer::bfloat16>(); }
}

TEST_CASE(
    "on CUDA filters, comparisons, queries and centres: one launch each and nothing else, captured and replayed") {
  device_side side;
  constexpr std::int64_t n = 40;
  buffer<float> x(2 * n), y(2 * n), number(n), number_again(n);
  buffer<double> distance(n);
  buffer<bool> flag(n), kept(n);
  buffer<std::int32_t> index(n), centers(3);
  noise random(2);
  fill_uniform(x, random, -1, 1), fill_uniform(y, random, -1, 1);
  for (std::int64_t i = 0; i < n; ++i) flag.at(i) = i % 3 != 0, index.at(i) = static_cast<std::int32_t>(i * 7 % n);
  device<float> dx(x), dy(y), out(number);
  device<double> far(distance);
  device<bool> df(flag), mask(kept);
  device<std::int32_t> di(index), dc(centers);
  using matrix = prefer::view<const float, 2, prefer::space::device>;
  const matrix xs(dx.data(), n, std::int64_t{2}), ys(dy.data(), n, std::int64_t{2});
  const prefer::cuda exec{side.on.handle};
  const prefer::view<const float, 1, prefer::space::device> a(dx.data(), n), b(dy.data(), n);
  const auto curate = [&] {
    prefer::check(prefer::curate(exec, {}, {.chosen = a, .rejected = b}, {.needs_judge = mask.view()}));
  };
  buffer<bool> even(n);
  for (std::int64_t i = 0; i < n; ++i) even.at(i) = i % 2 == 0;
  device<bool> votes(even);
  const auto consistent = [&] {
    prefer::check(prefer::select(exec, prefer::consistency_filter{}, {.predicted = df.read(), .label = votes.read()},
                                 {.selected = {.mask = mask.view()}}));
  };
  const auto consequence = [&] {
    prefer::check(prefer::validate_by_consequence(exec, {.chosen = xs, .rejected = ys}, {.mask = mask.view()}));
  };
  buffer<std::int32_t> zero(n);
  for (std::int64_t i = 0; i < n; ++i) zero.at(i) = 0;
  device<std::int32_t> zeros(zero);
  const auto compare = [&] {
    prefer::check(prefer::compare_hierarchically(exec, {.factors = xs, .first = di.read(), .second = zeros.read()},
                                                 {.decided = mask.view()}));
  };
  const auto vote = [&] {
    prefer::check(prefer::majority_vote(
        exec, {.votes = prefer::view<const bool, 2, prefer::space::device>(votes.data(), n, std::int64_t{1})},
        {.majority = mask.view()}));
  };
  device_workspace scratch(prefer::hierarchical_margins_workspace(2));
  buffer<float> spread(2);
  device<float> margins(spread);
  const prefer::cuda with_memory{.stream = side.on.handle, .workspace = scratch.get()};
  const auto margin = [&] {
    prefer::check(prefer::hierarchical_margins(with_memory, {}, {.factors = xs}, {.margins = margins.view()}));
  };
  const auto query = [&] {
    prefer::check(prefer::query_scores(exec, {.first = matrix(dx.data(), std::int64_t{2}, n)}, {.mean = out.view()}));
  };
  const auto direct = [&] {
    prefer::check(prefer::directional_scores(
        exec, {.rewards = xs, .directions = matrix(dy.data(), std::int64_t{1}, std::int64_t{2})},
        {.score = out.view()}));
  };
  const auto center = [&] {
    prefer::check(
        prefer::select_centers(exec, {.count = 3}, {.features = xs}, {.centers = dc.view(), .distance = far.view()}));
  };
  // All inputs change at once; those that a call does not read are harmless.
  int turn = 0;
  const auto other_inputs = [&] {
    ++turn;
    for (std::int64_t i = 0; i < 2 * n; ++i) x.set(i, -0.5 * x.get(i)), y.set(i, 0.25 - y.get(i));
    for (std::int64_t i = 0; i < n; ++i) flag.at(i) = (i + turn) % 4 != 0, even.at(i) = (i + turn) % 2 != 0;
    for (std::int64_t i = 0; i < n; ++i) index.at(i) = static_cast<std::int32_t>((index.at(i) + 3) % n);
    dx.send(), dy.send(), df.send(), votes.send(), di.send();
  };
  const auto check_one = [&](const char* name, const auto& call, auto& result) {
    enqueues_only(name, 1, call);
    side.on.wait();
    covers(name, "allocation");
    check_replay(name, side.on.handle, call, other_inputs, {result.all()});
    result.fetch();
  };
  check_one("curate_pairs", curate, mask);
  for (std::int64_t i = 0; i < n; ++i) CHECK(kept.at(i) == !(x.get(i) > y.get(i)));
  check_one("consistency_filter", consistent, mask);
  for (std::int64_t i = 0; i < n; ++i) CHECK(kept.at(i) == (flag.at(i) == even.at(i)));
  check_one("validate_by_consequence", consequence, mask);
  check_one("hierarchical_comparator", compare, mask);
  for (std::int64_t i = 0; i < n; ++i) CHECK(kept.at(i) == (index.at(i) != 0));  // each with the first
  check_one("majority_vote", vote, mask);
  for (std::int64_t i = 0; i < n; ++i) CHECK((kept.at(i) == even.at(i)));
  check_one("hierarchical_margins", margin, margins);
  CHECK((spread.get(0) > 0 && spread.get(1) > 0));
  check_one("query_scores", query, out);
  check_one("directional_scores", direct, out);
  check_one("k_center", center, far);
  dc.fetch();
  CHECK(centers.at(0) == 0);
  const prefer::output_view<1, prefer::space::device> none = {};
  check_refused("curate_pairs", prefer::curate(exec, {}, {.chosen = a, .rejected = b}, {.needs_judge = none}),
                "outputs");
  check_refused("k_center", prefer::select_centers(exec, {}, {.features = xs}, {}), "distance");
  check_refused("majority_vote", prefer::majority_vote(exec, {}, {.majority = none}), "votes");
  check_refused("hierarchical_margins", prefer::hierarchical_margins(exec, {}, {}, {.margins = none}), "factors");
  check_refused("query_scores", prefer::query_scores(exec, {}, {.mean = out.view()}), "first");
  check_refused("directional_scores", prefer::directional_scores(exec, {.rewards = xs}, {.score = out.view()}),
                "directions");
  check_refused("validate_by_consequence", prefer::validate_by_consequence(exec, {.chosen = xs}, {.mask = mask.view()}),
                "rejected");
  check_refused("consistency_filter",
                prefer::select(exec, prefer::consistency_filter{}, {.label = df.read()}, {.accuracy = out.view()}),
                "predicted");
  check_refused("hierarchical_comparator",
                prefer::compare_hierarchically(exec, {.factors = xs, .second = di.read()}, {.decided = mask.view()}),
                "first");
}

TEST_CASE("on CUDA a pair with an index out of range is NaN, undecided and reported") {
  device_side side;
  buffer<float> factors(4), label(3);
  buffer<bool> decided(3);
  buffer<std::int32_t> first(3), second(3);
  for (std::int64_t i = 0; i < 4; ++i) factors.set(i, static_cast<double>(i));
  for (std::int64_t p = 0; p < 3; ++p) first.at(p) = p == 1 ? 4 : 0, second.at(p) = 3;
  buffer<unsigned long long> word(1);
  word.at(0) = ~0ull;
  device<unsigned long long> report(word);
  const prefer::cuda exec{.stream = side.on.handle, .report = reinterpret_cast<prefer::content_report*>(report.data())};
  prefer::check(prefer::compare_hierarchically(
      exec, {.factors = side.read(factors, 4, 1, 1), .first = side.read(first), .second = side.read(second)},
      {.label = side.write(label), .decided = side.write(decided)}));
  side.done();
  report.fetch();
  CHECK((label.get(0) == 0 && std::isnan(label.get(1)) && label.get(2) == 0 && !decided.at(1) && decided.at(2)));
  const prefer::content_report found{word.at(0)};
  CHECK((found.code() == prefer::errc::bad_index && found.index() == 1));
}
