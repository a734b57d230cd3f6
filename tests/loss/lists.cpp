// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/thread_pool.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <loss/lists.hpp>
#include <support/allocations.hpp>
#include <support/coverage.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace prefer;
using prefer_test::by_definition;
using prefer_test::covers;
using prefer_test::lists;
using prefer_test::numbers;
using prefer_test::storage;

namespace {

template <class S>
struct called {
  lists<S> l;
  std::vector<double> memory;
  explicit called(bool ties = false) : l(ties), memory(evaluate_lists_workspace(l.n, l.total) / sizeof(double)) {}
  cpu exec(task_runner pool = {}) {
    return {.pool = pool, .workspace = {memory.data(), memory.size() * sizeof(double)}};
  }
};

// Every list against the definition, its gradient by fourth-order differences of the definition in long double.
template <class S, class Loss>
void check_lists(const Loss& loss, bool ties) {
  called<S> c(ties);
  lists<S>& l = c.l;
  check(evaluate_lists(c.exec(), loss, l.template inputs_of<Loss>(), l.outputs()));
  long double total = 0, selected = 0;
  for (std::int64_t i = 0; i < l.n; ++i) selected += l.mask.at(i) ? 1 : 0;
  for (std::int64_t i = 0; i < l.n; ++i) {
    const auto items = l.order(i);
    numbers s, g;
    for (std::int64_t k : items) s.push_back(l.score.get(k)), g.push_back(l.grade.get(k));
    const long double w = l.mask.at(i) ? static_cast<long double>(l.weight.get(i)) : 0;
    INFO("list " << i);
    CHECK(l.losses.get(i) == doctest::Approx(static_cast<double>(w * by_definition(loss, s, g))).epsilon(1e-13));
    total += w * by_definition(loss, s, g) / selected;
    for (std::size_t k = 0; k < items.size(); ++k) {
      const auto at = [&](long double h) {
        numbers moved = s;
        moved[k] += h;
        return by_definition(loss, moved, g);
      };
      const long double h = 0x1p-12L;
      const long double slope = w / selected * (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
      CHECK(std::fabs(l.grad.get(items[k]) - slope) <= 1e-11L * (1 + std::fabs(slope)) +
                                                           std::ldexp(std::fabs(slope), 1 - storage<S>::digits) +
                                                           std::ldexp(1.0L, storage<S>::least_exponent));
    }
    for (std::int64_t k = l.offsets.at(i); k < l.offsets.at(i + 1); ++k)
      if (!l.item_mask.at(k) || !l.mask.at(i)) CHECK(l.grad.get(k) == 0);
  }
  CHECK(l.loss.get(0) == doctest::Approx(static_cast<double>(total)).epsilon(1e-13));
  CHECK(l.count.get(0) == 10);
  CHECK((l.grad.intact() && l.losses.intact() && l.score.intact()));
}

template <class Loss>
void check_promises(const char* name, const Loss& loss, bool by_ranking, bool ignores_shifts = true) {
  called<float> c;
  lists<float>& l = c.l;
  const auto in = l.template inputs_of<Loss>(by_ranking);
  const auto bits = [&](const cpu& exec) {
    check(evaluate_lists(exec, loss, in, l.outputs()));
    auto all = l.grad.bytes();
    all.insert(all.end(), l.loss.bytes().begin(), l.loss.bytes().end());
    return all;
  };
  const auto expected = bits(c.exec());
  for (int threads : {2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(bits(c.exec(pool)) == expected);
  }
  for (std::int64_t i = 0; i < l.total; ++i)
    if (!l.item_mask.at(i)) l.score.set(i, std::numeric_limits<double>::quiet_NaN());
  CHECK(bits(c.exec()) == expected);
  l.ranking.at(l.offsets.at(4)) = 77;  // of a list that is left out
  CHECK(bits(c.exec()) == expected);
  const auto out = l.outputs();
  const cpu exec = c.exec();
  const long before = prefer_test::allocation_count();
  const status s = evaluate_lists(exec, loss, in, out);
  CHECK(prefer_test::allocation_count() == before);
  CHECK(s.ok());
  // Adding a constant to the scores of a list changes nothing.
  called<double> plain, shifted;
  for (std::int64_t i = 0; i < plain.l.total; ++i) shifted.l.score.set(i, plain.l.score.get(i) + 1024);
  check(evaluate_lists(plain.exec(), loss, plain.l.template inputs_of<Loss>(by_ranking), plain.l.outputs()));
  check(evaluate_lists(shifted.exec(), loss, shifted.l.template inputs_of<Loss>(by_ranking), shifted.l.outputs()));
  if (ignores_shifts) CHECK(plain.l.loss.get(0) == doctest::Approx(shifted.l.loss.get(0)).epsilon(1e-12));
  // Micro-batches of gradients add up.
  auto twice = plain.l.outputs();
  twice.accumulate = true;
  const auto once = plain.l.grad.values();
  check(evaluate_lists(plain.exec(), loss, plain.l.template inputs_of<Loss>(by_ranking), twice));
  for (std::int64_t i = 0; i < plain.l.total; ++i) CHECK(plain.l.grad.get(i) == 2 * once[static_cast<std::size_t>(i)]);
  for (const char* tag : {"threads", "masked", "allocation", "accumulation"}) covers(name, tag);
}

// One list by a ranking, in double.
struct answer {
  double value = 0;
  std::vector<double> grad;
};
template <class Loss>
answer ask(const Loss& loss, std::vector<double> scores, std::vector<std::int32_t> ranking) {
  const auto k = static_cast<std::int64_t>(scores.size());
  const std::int64_t offsets[] = {0, k};
  std::vector<double> memory(evaluate_lists_workspace(1, k) / sizeof(double));
  answer a{0, std::vector<double>(scores.size())};
  check(evaluate_lists(cpu{.workspace = {memory.data(), memory.size() * sizeof(double)}}, loss,
                       {.score = {scores.data(), k}, .offsets = {offsets, 2}, .ranking = {ranking.data(), k}},
                       {.loss = {&a.value, 1}, .grad_score = {a.grad.data(), k}}));
  return a;
}

}  // namespace

TEST_CASE("Plackett-Luce is its definition: whole rankings, first places, ties, ragged and masked lists, any storage") {
  for (std::int64_t top : {0, 1, 3}) {
    check_lists<double>(plackett_luce{.top = top}, false);
    check_lists<double>(plackett_luce{.top = top}, true);
  }
  check_lists<float>(plackett_luce{}, false), check_lists<half>(plackett_luce{}, false);
  check_lists<bfloat16>(plackett_luce{}, false);
  covers<double>("plackett_luce", "sizes"), covers<float>("plackett_luce", "sizes");
  covers<half>("plackett_luce", "sizes"), covers<bfloat16>("plackett_luce", "sizes");
  check_promises("plackett_luce", plackett_luce{.top = 2}, true);
}

TEST_CASE("RankNet over lists is its definition: sums and means, gaps and ties") {
  for (bool mean : {true, false})
    for (double gap : {0.0, 1.5}) {
      check_lists<double>(ranknet{.gap = gap, .mean = mean}, false);
      check_lists<double>(ranknet{.gap = gap, .mean = mean}, true);
    }
  check_lists<float>(ranknet{}, false), check_lists<half>(ranknet{}, false), check_lists<bfloat16>(ranknet{}, false);
  covers<double>("ranknet", "sizes"), covers<float>("ranknet", "sizes");
  covers<half>("ranknet", "sizes"), covers<bfloat16>("ranknet", "sizes");
  check_promises("ranknet", ranknet{}, false);
}

TEST_CASE("published values: Plackett-Luce of three items; two items are Bradley-Terry; the first place is a choice") {
  CHECK(ask(plackett_luce{}, {1, 0.5, -0.2}, {0, 1, 2}).value == doctest::Approx(1.0490974142525116).epsilon(1e-15));
  const answer two = ask(plackett_luce{}, {0.3, 1.1}, {1, 0});
  const auto pair = bradley_terry{}(reward_pair<double>{.chosen = 1.1, .rejected = 0.3, .label = 1});
  CHECK(two.value == doctest::Approx(pair.value).epsilon(1e-15));
  CHECK(two.grad[1] == doctest::Approx(pair.d_chosen).epsilon(1e-14));
  CHECK(ask(ranknet{}, {0.3, 1.1}, {1, 0}).value == doctest::Approx(pair.value).epsilon(1e-15));
  const answer choice = ask(plackett_luce{.top = 1}, {1, 2, 0.5}, {2, 0, 1});
  const double all = std::exp(1.0) + std::exp(2.0) + std::exp(0.5);
  CHECK(choice.value == doctest::Approx(std::log(all) - 0.5).epsilon(1e-15));
  CHECK(choice.grad[1] == doctest::Approx(std::exp(2.0) / all).epsilon(1e-14));
  covers("plackett_luce", "golden"), covers("ranknet", "golden"), covers("plackett_luce", "identity"),
      covers("ranknet", "identity");
}

TEST_CASE("skip-wise RankNet: hand-worked values per skip, below RankNet's sum, equal to it for one pair") {
  const std::vector<double> s = {2, 1, 0.5, -1};
  const std::vector<std::int32_t> order = {0, 1, 2, 3};
  const double one = 0.787339, two = 0.306356, three = 0.048587;
  CHECK(ask(ranknet_skipwise{.skips = 1}, s, order).value == doctest::Approx(one).epsilon(2e-6));
  CHECK(ask(ranknet_skipwise{.skips = 2}, s, order).value == doctest::Approx(one + two).epsilon(2e-6));
  CHECK(ask(ranknet_skipwise{}, s, order).value == doctest::Approx(one + two + three).epsilon(2e-6));
  CHECK(ask(ranknet{.mean = false}, s, order).value == doctest::Approx(0.988752 + 0.328341 + three).epsilon(2e-6));
  CHECK(ask(ranknet_skipwise{}, {0.3, 1.1}, {1, 0}).value ==
        doctest::Approx(ask(ranknet{}, {0.3, 1.1}, {1, 0}).value).epsilon(1e-15));
  covers("ranknet_skipwise", "golden");
}

TEST_CASE("skip-wise RankNet: gradients by differences, in any order of the items") {
  const std::vector<double> s = {0.2, -1, 2, 0.5, 1.5};
  const std::vector<std::int32_t> order = {3, 0, 4, 1, 2};
  for (std::int64_t skips : {0, 1, 3}) {
    const answer a = ask(ranknet_skipwise{.skips = skips}, s, order);
    for (std::size_t k = 0; k < s.size(); ++k) {
      const auto at = [&](double h) {
        std::vector<double> moved = s;
        moved[k] += h;
        return ask(ranknet_skipwise{.skips = skips}, moved, order).value;
      };
      const double h = 1e-3;
      CHECK(a.grad[k] ==
            doctest::Approx((8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)).epsilon(1e-9).scale(1));
    }
  }
  covers("ranknet_skipwise", "identity");
  check_promises("ranknet_skipwise", ranknet_skipwise{.skips = 4}, true);
}

TEST_CASE("MetaRM's difference objective is its definition: every divisor, ragged and masked lists, any storage") {
  using divisor = meta_rm_difference::divisor;
  for (divisor d : {divisor::pairs, divisor::squares, divisor::none}) check_lists<double>(meta_rm_difference{d}, false);
  check_lists<float>(meta_rm_difference{}, false), check_lists<half>(meta_rm_difference{}, false);
  check_lists<bfloat16>(meta_rm_difference{}, false);
  check_promises("meta_rm_difference", meta_rm_difference{}, false);
  // Two answers a point apart, by hand; equal ones are at the bottom, without a direction; NaN is not hidden.
  const std::int64_t offsets[] = {0, 2, 4, 6};
  const double score[] = {1, 0, 0.5, 0.5, std::nan(""), 0};
  double losses[3], grad[6];
  std::vector<double> memory(evaluate_lists_workspace(3, 6) / sizeof(double));
  const cpu exec{.workspace = {memory.data(), memory.size() * sizeof(double)}};
  check(evaluate_lists(exec, meta_rm_difference{}, {.score = {score, 6}, .offsets = {offsets, 4}, .normalizer = 1.0},
                       {.grad_score = {grad, 6}, .losses = {losses, 3}}));
  CHECK(losses[0] == doctest::Approx(0.731059).epsilon(1e-6));
  CHECK(grad[0] == doctest::Approx(losses[0] * (1 - losses[0])).epsilon(1e-14));
  CHECK((grad[1] == -grad[0] && losses[1] == 0.5 && grad[2] == 0 && grad[3] == 0));
  CHECK((std::isnan(losses[2]) && std::isnan(grad[4]) && std::isnan(grad[5])));
  const status s =
      evaluate_lists(exec, meta_rm_difference{}, {.score = {score, 6}, .offsets = {offsets, 4}, .grade = {score, 6}},
                     {.losses = {losses, 3}});
  CHECK((s.code == errc::unused_input && std::string(s.argument) == "grade"));
  for (const char* tag : {"golden", "identity"}) covers("meta_rm_difference", tag);
}

TEST_CASE("GVPO is its definition, at rest where log-ratios differ as rewards do, whatever they have in common") {
  check_lists<double>(gvpo{.beta = 0.75}, false), check_lists<double>(gvpo{}, true);
  check_lists<float>(gvpo{}, false), check_lists<half>(gvpo{}, false), check_lists<bfloat16>(gvpo{}, false);
  check_promises("gvpo", gvpo{}, false);
  const std::int64_t offsets[] = {0, 3, 4};
  const double score[] = {10, -6, 4, 2}, reward[] = {1e9 + 5, 1e9 - 3, 1e9 + 2, 7};
  double losses[2], grad[4];
  std::vector<double> memory(evaluate_lists_workspace(2, 4) / sizeof(double));
  const cpu exec{.workspace = {memory.data(), memory.size() * sizeof(double)}};
  check(evaluate_lists(exec, gvpo{.beta = 0.5}, {.score = {score, 4}, .offsets = {offsets, 3}, .grade = {reward, 4}},
                       {.grad_score = {grad, 4}, .losses = {losses, 2}}));
  for (const double x : losses) CHECK(x == 0);
  for (const double x : grad) CHECK(x == 0);
  for (const char* tag : {"golden", "identity"}) covers("gvpo", tag);
}

TEST_CASE("REAL is its definition; classes of one kind have no value, and one right and one wrong are two sigmoids") {
  const real_classes halfway{.tau = 0.75, .threshold = -2.5};
  check_lists<double>(halfway, false), check_lists<double>(halfway, true);
  check_lists<float>(halfway, false), check_lists<half>(halfway, false), check_lists<bfloat16>(halfway, false);
  check_promises("real_classes", halfway, false, false);
  const std::int64_t offsets[] = {0, 2, 4};
  const double score[] = {0.25, -700, 1, 2}, reward[] = {1, 0, 1, 1};
  double losses[2], grad[4];
  std::vector<double> memory(evaluate_lists_workspace(2, 4) / sizeof(double));
  const cpu exec{.workspace = {memory.data(), memory.size() * sizeof(double)}};
  check(evaluate_lists(exec, real_classes{},
                       {.score = {score, 4}, .offsets = {offsets, 3}, .grade = {reward, 4}, .normalizer = 1.0},
                       {.grad_score = {grad, 4}, .losses = {losses, 2}}));
  CHECK(losses[0] == doctest::Approx(std::log1p(std::exp(-0.5))).epsilon(1e-14));
  CHECK(grad[0] == doctest::Approx(-2 / (1 + std::exp(0.5))).epsilon(1e-14));
  CHECK((grad[1] == 0 && losses[1] == 0 && grad[2] == 0 && grad[3] == 0));
  for (const char* tag : {"golden", "identity"}) covers("real_classes", tag);
}

TEST_CASE("scores of plus and minus 1e4 give finite values and gradients between -1 and 1 per place") {
  const answer good = ask(plackett_luce{}, {1e4, 0, -1e4}, {0, 1, 2}),
               bad = ask(plackett_luce{}, {1e4, 0, -1e4}, {2, 1, 0});
  CHECK(good.value == 0);
  CHECK(bad.value == 3e4);
  CHECK((bad.grad[2] == -1 && bad.grad[0] == 2 && good.grad[0] == 0));
  CHECK(ask(ranknet_skipwise{}, {1e4, 0, -1e4}, {2, 1, 0}).value == doctest::Approx(1e4 + std::log(2.0) + 2e4));
}

TEST_CASE("what is wrong with lists is named, and nothing is written") {
  called<float> c;
  lists<float>& l = c.l;
  const auto refused = [&](errc code, const char* argument, auto change, const auto& loss) {
    auto in = l.inputs(true);
    auto out = l.outputs();
    cpu exec = c.exec();
    change(in, out, exec);
    const status s = evaluate_lists(exec, loss, in, out);
    INFO(std::string(message(s).c_str()) << " expected for " << std::string(argument));
    CHECK(s.code == code);
    CHECK(std::string(s.argument) == argument);
  };
  const plackett_luce pl;
  const auto nothing = [](auto&, auto&, auto&) {};
  refused(errc::bad_parameter, "top", nothing, plackett_luce{.top = -1});
  refused(errc::bad_parameter, "gap", nothing, ranknet{.gap = -1});
  refused(errc::bad_parameter, "skips", nothing, ranknet_skipwise{.skips = -1});
  refused(errc::bad_parameter, "beta", nothing, gvpo{.beta = 0.0});
  refused(errc::bad_parameter, "tau", nothing, real_classes{.tau = -1.0});
  refused(errc::bad_parameter, "threshold", nothing, real_classes{.threshold = HUGE_VAL});
  refused(
      errc::missing_input, "score", [](auto& in, auto&, auto&) { in.score = {}; }, pl);
  refused(
      errc::missing_input, "offsets", [](auto& in, auto&, auto&) { in.offsets = {}; }, pl);
  refused(
      errc::missing_input, "grade", [](auto& in, auto&, auto&) { in.ranking = {}; }, pl);
  refused(
      errc::unused_input, "grade", [&](auto& in, auto&, auto&) { in.grade = in.score; }, pl);
  refused(
      errc::missing_input, "ranking", [&](auto& in, auto&, auto&) { in.ranking = {}, in.grade = in.score; },
      ranknet_skipwise{});
  refused(
      errc::bad_extent, "ranking", [](auto& in, auto&, auto&) { in.ranking.extent[0] -= 1; }, pl);
  refused(
      errc::bad_extent, "weight", [](auto& in, auto&, auto&) { in.weight.extent[0] += 1; }, pl);
  refused(
      errc::bad_extent, "item_mask", [](auto& in, auto&, auto&) { in.item_mask.extent[0] -= 1; }, pl);
  refused(
      errc::bad_element, "mask", [](auto& in, auto&, auto&) { in.mask = in.weight; }, pl);
  refused(
      errc::bad_parameter, "normalizer", [](auto& in, auto&, auto&) { in.normalizer = 0.0; }, pl);
  refused(
      errc::bad_extent, "grad_score", [](auto&, auto& out, auto&) { out.grad_score.extent[0] -= 1; }, pl);
  refused(
      errc::overlap, "grad_score",
      [](auto& in, auto& out, auto&) { out.grad_score.data = const_cast<void*>(in.score.data); }, pl);
  refused(
      errc::missing_output, "outputs", [](auto&, auto& out, auto&) { out = {}; }, pl);
  refused(
      errc::small_workspace, "exec.workspace.bytes", [](auto&, auto&, auto& exec) { exec.workspace.bytes = 64; }, pl);
  l.ranking.at(4) = l.ranking.at(5);  // a repeated item
  refused(errc::bad_index, "ranking", nothing, pl);
  l.ranking.at(4) = 99;
  refused(errc::bad_index, "ranking", nothing, pl);
  l.grade.set(0, std::numeric_limits<double>::quiet_NaN());
  refused(
      errc::not_a_number, "grade", [&](auto& in, auto&, auto&) { in.ranking = {}, in.grade = l.grade.read(); }, pl);
  l.offsets.at(3) = 9;  // the next is 6
  refused(
      errc::bad_offsets, "offsets", [&](auto& in, auto&, auto&) { in.ranking = {}, in.grade = in.score; }, pl);
  CHECK((l.grad.untouched() && l.loss.untouched() && l.losses.untouched()));
  for (const char* name :
       {"plackett_luce", "ranknet", "ranknet_skipwise", "meta_rm_difference", "gvpo", "real_classes"})
    covers(name, "bad-argument");
}
