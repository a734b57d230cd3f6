// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <select/refinement.hpp>
#include <support/allocations.hpp>

#include <string>
#include <vector>

using namespace prefer;
using namespace prefer_test;

TEST_CASE("loops do what their description says: sizes, masks, strides, storage types") {
  SUBCASE("float") { check_refinement<float, host_side>(1); }
  SUBCASE("double, strided") { check_refinement<double, host_side>(3); }
  SUBCASE("half") { check_refinement<half, host_side>(1); }
  SUBCASE("bfloat16, strided") { check_refinement<bfloat16, host_side>(2); }
}

namespace {

// The actions of one loop.
std::vector<refine_action> actions(const refinement& rule, const std::vector<double>& scores,
                                   refine_item* end = nullptr) {
  refine_item item;
  std::vector<refine_action> all;
  for (const double s : scores) all.push_back(item.step(rule.gate.value64, rule.rounds, rule.roll_back, s));
  if (end != nullptr) *end = item;
  return all;
}

}  // namespace

TEST_CASE("a loop stops at the gate, steps back from what got worse, and returns the best of its rounds") {
  covers("refinement", "identity");
  using enum refine_action;
  using list = std::vector<refine_action>;
  refine_item end;
  CHECK(actions({}, {5, 7, 8, 9}, &end) == list{go_on, go_on, stop, stopped});
  CHECK((end.best == 8 && end.best_round == 3 && end.round == -3));
  CHECK(actions({}, {8}) == list{stop});
  CHECK(actions({}, {5, 4, 6, 3}, &end) == list{go_on, roll_back, go_on, take_best});
  CHECK((end.best == 6 && end.best_round == 3));
  CHECK(actions({}, {5, 4, 4.5, 7}) == list{go_on, roll_back, roll_back, stop});
  CHECK(actions({.roll_back = false}, {5, 4, 4.5, 3}, &end) == list{go_on, go_on, go_on, take_best});
  CHECK((end.accepted == 3 && end.best == 5));
  CHECK(actions({.rounds = 1}, {3}) == list{stop});
  // Equal scores do not step back, and of equal best ones the first is returned.
  CHECK(actions({}, {5, 5, 5, 5}, &end) == list{go_on, go_on, go_on, take_best});
  CHECK(end.best_round == 1);
  // No number is the worst, even as the first; no gate is never passed but by an infinite score.
  CHECK(actions({}, {not_a_number, -3, not_a_number, -4}, &end) == list{go_on, go_on, roll_back, take_best});
  CHECK((end.best == -3 && end.best_round == 2));
  CHECK(actions({.gate = HUGE_VAL}, {1e300, not_a_number}) == list{go_on, roll_back});
  CHECK(actions({.gate = -HUGE_VAL}, {not_a_number, -HUGE_VAL}) == list{go_on, stop});
  // A gate that is lowered on the way lets a state pass that is not the best: it is the answer all the same.
  refine_item item;
  CHECK(item.step(8, 4, true, 7) == go_on);
  CHECK(item.step(5, 4, true, 6) == stop);
  CHECK((item.best == 7 && item.best_round == 1 && item.accepted == 6));
}

TEST_CASE("the running best never falls, nor does the accepted score where loops step back") {
  noise random(3);
  for (int k = 0; k < 200; ++k) {
    refine_item item;
    double best = -HUGE_VAL, accepted = -HUGE_VAL;
    for (int t = 0; t < 20; ++t) {
      item.step(9.0, 20, true, random.uniform(0, 8));
      CHECK((item.best >= best && (item.accepted >= accepted || item.round < 0)));
      best = item.best, accepted = item.accepted;
    }
    CHECK(item.round == -20);
  }
}

TEST_CASE("steps are the same for any threads, allocate nothing, and read their gate through a pointer") {
  constexpr std::int64_t n = 40000;
  const double gate = 6;
  refine_case<float> c(n, 1);
  for (std::int64_t i = 0; i < n; ++i) c.score.set(i, static_cast<double>(i * 7919 % 100) / 10);
  const refinement rule{.gate = &gate};
  const long before = allocation_count();
  const status s =
      refine_step(cpu{}, rule, {.score = c.score.read()},
                  {c.round.view(), c.accepted.view(), c.best.view(), c.best_round.view()}, {c.action.view()});
  CHECK(allocation_count() == before);
  CHECK(s.ok());
  const auto expected = c.action.values();
  for (std::int64_t i = 0; i < n; ++i) CHECK((c.action.at(i) == 2) == (c.score.get(i) >= 6));
  for (const int threads : {2, 3, 8}) {
    refine_case<float> d(n, 1);
    for (std::int64_t i = 0; i < n; ++i) d.score.set(i, c.score.get(i));
    thread_pool pool(threads);
    host_side on{cpu{.pool = pool}};
    d.run(on, rule);
    CHECK(d.action.values() == expected);
  }
  for (const char* tag : {"threads", "allocation"}) covers("refinement", tag);
}

TEST_CASE("refine_step names what is wrong, and writes nothing") {
  const double x[3] = {1, 2, 3};
  std::int32_t round[3] = {}, best_round[3] = {};
  double accepted[3] = {}, best[3] = {};
  half small[3];
  std::uint8_t action[3] = {9, 9, 9};
  using state = refine_state<space::host>;
  const state good{{round, 3}, {accepted, 3}, {best, 3}, {best_round, 3}};
  const auto refused = [&](const refinement& rule, const state& kept, auto change) {
    refine_inputs<space::host> in{.score = {x, 3}};
    refine_outputs<space::host> out{.action = {action, 3}};
    change(in, out);
    const status s = refine_step(cpu{}, rule, in, kept, out);
    CHECK((action[0] == 9 && round[0] == 0 && best[0] == 0));
    return std::string(message(s).c_str()).substr(8);
  };
  const auto as_it_is = [](auto&, auto&) {};
  CHECK(refused({}, good, [](auto& in, auto&) { in.score = {}; }) ==
        "missing input: score: expected one score per item");
  CHECK(refused({}, {}, as_it_is) == "missing output: round: expected one integer per item, which is updated");
  CHECK(refused({}, good, [](auto&, auto& out) { out.action = {}; }) ==
        "missing output: action: expected one byte per item");
  CHECK(refused({}, {{round, 2}, {accepted, 3}, {best, 3}, {best_round, 3}}, as_it_is) ==
        "bad extent: round is 2, expected the number of scores, 3");
  CHECK(refused({}, {{round, 3}, {small, 3}, {best, 3}, {best_round, 3}}, as_it_is).substr(0, 26) ==
        "bad element type: accepted");
  CHECK(refused({}, {{best, 3}, {accepted, 3}, {best, 3}, {best_round, 3}}, as_it_is).substr(0, 23) ==
        "bad element type: round");
  CHECK(refused({}, {{round, 3}, {best, 3}, {best, 3}, {best_round, 3}}, as_it_is).substr(0, 13) == "overlap: best");
  CHECK(refused({.gate = not_a_number}, good, as_it_is) == "bad parameter: gate is nan, expected a number");
  CHECK(refused({.rounds = 0}, good, as_it_is) == "bad parameter: rounds is 0, expected at least 1");
  covers("refinement", "bad-argument");
}
