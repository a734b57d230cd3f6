// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/core/validate.hpp>
#include <prefer/logp/noise_error.hpp>
#include <prefer/loss/bradley_terry.hpp>
#include <prefer/loss/diffusion_dpo.hpp>
#include <prefer/loss/dpo.hpp>
#include <prefer/loss/lists.hpp>
#include <support/allocations.hpp>

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace prefer;

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

std::string text(const status& s) { return message(s).c_str(); }

}  // namespace

TEST_CASE("validate says what evaluate would refuse, and finds NaN") {
  double chosen[] = {1, 2, 3}, rejected[] = {0, 1, 0}, label[] = {1, 0.5, 0};
  bool mask[] = {true, true, false};
  const reward_pair_inputs<space::host> in = {
      .chosen = {chosen, 3}, .rejected = {rejected, 3}, .label = {label, 3}, .mask = {mask, 3}};
  const auto says = [&](const bradley_terry& loss, const reward_pair_inputs<space::host>& x) {
    return std::string(message(validate(cpu{}, loss, x)).c_str());
  };
  CHECK(says({}, in) == "prefer: ok");
  CHECK(says({.centering = -1.0}, in) ==
        "prefer: bad parameter: centering is -1, expected a finite number, 0 or above");
  reward_pair_inputs<space::host> missing = in;
  missing.rejected = {};
  CHECK(validate(cpu{}, bradley_terry{}, missing).code == errc::missing_input);
  label[2] = 7;  // masked
  CHECK(says({}, in) == "prefer: ok");
  label[1] = 7;
  CHECK(says({}, in) == "prefer: bad label: label[1] is 7, expected a probability, from 0 to 1");
  chosen[0] = std::numeric_limits<double>::quiet_NaN();
  const status s = validate(cpu{}, bradley_terry{}, in);
  CHECK(s.code == errc::not_a_number);
  CHECK(std::string(s.argument) == "chosen");
  CHECK(s.index == 0);
}

TEST_CASE("validate_tokens: offsets, NaN in tokens and weights that count, and the sentence of evaluate_tokens") {
  double chosen[] = {-1, -2, -3}, rejected[] = {-1, -1}, weight[] = {1, 1, 1};
  std::int64_t offsets[] = {0, 1, 3}, rejected_offsets[] = {0, 1, 2};
  bool mask[] = {true, true, false};
  pair_token_inputs<space::host> in = {.policy_chosen = {chosen, 3},
                                       .policy_rejected = {rejected, 2},
                                       .reference_chosen = {chosen, 3, 0},
                                       .reference_rejected = {rejected, 2, 0},
                                       .chosen_offsets = {offsets, 3},
                                       .rejected_offsets = {rejected_offsets, 3},
                                       .chosen_mask = {mask, 3},
                                       .chosen_weight = {weight, 3}};
  const auto says = [&] { return text(validate_tokens(cpu{}, dpo{}, in)); };
  const auto call = [&] {
    double loss = 0;
    return text(evaluate_tokens(cpu{.content = content::all}, dpo{}, in, {.loss = {&loss, 1}}));
  };
  const long before = prefer_test::allocation_count();
  CHECK(validate_tokens(cpu{}, dpo{}, in).ok());
  CHECK(prefer_test::allocation_count() == before);
  chosen[2] = weight[2] = not_a_number;  // masked
  CHECK(says() == "prefer: ok");
  weight[1] = not_a_number;
  CHECK(says() == "prefer: not a number: chosen_weight[1]: expected a number, but it is NaN");
  CHECK(says() == call());
  chosen[1] = not_a_number;
  const status s = validate_tokens(cpu{}, dpo{}, in);
  CHECK((s.code == errc::not_a_number && std::string(s.argument) == "policy_chosen" && s.index == 1));
  CHECK(says() == call());
  offsets[1] = 4;
  CHECK(validate_tokens(cpu{}, dpo{}, in).code == errc::bad_offsets);
  CHECK(says() == call());
  in.rejected_offsets = {};
  CHECK(says() == call());
  in.discount = not_a_number;
  CHECK(says() == call());
}

TEST_CASE("validate_indexed: indices, NaN where pairs point, and whether the plan is that of the lists") {
  double score[] = {1, 2, 3};
  int chosen[] = {0, 0}, rejected[] = {1, 1};
  std::int64_t offsets[4], entries[4];
  const auto plan = [&] {
    return make_pair_plan(cpu{}, {chosen, 2}, {rejected, 2}, 3, {offsets, 4}, {entries, 4});
  };
  REQUIRE(plan().ok());
  reward_pair_index_inputs<space::host> in = {.score = {score, 3},
                                              .chosen = {chosen, 2},
                                              .rejected = {rejected, 2},
                                              .plan = {{offsets, 4}, {entries, 4}}};
  const auto look = [&] { return validate_indexed(cpu{}, bradley_terry{}, in); };
  CHECK(look().ok());
  score[2] = not_a_number;  // of no pair
  CHECK(look().ok());
  rejected[1] = 2;
  status s = look();
  CHECK((s.code == errc::not_a_number && std::string(s.argument) == "score" && s.index == 1));
  score[2] = 3;
  CHECK(text(look()) ==
        "prefer: bad index: plan.entries[3] is 3, expected the plan of chosen and rejected (make_pair_plan)");
  REQUIRE(plan().ok());
  CHECK(look().ok());
  for (std::int64_t& x : offsets)
    for (const std::int64_t wrong : {std::int64_t{-1}, std::int64_t{3}, std::int64_t{5}}) {
      const std::int64_t right = x;
      x = wrong;
      CHECK((right == wrong || look().code != errc::ok));
      x = right;
    }
  for (std::int64_t& x : entries)
    for (std::int64_t wrong = -2; wrong < 6; ++wrong) {
      const std::int64_t right = x;
      x = wrong;
      CHECK((right == wrong || look().code == errc::bad_index));
      x = right;
    }
  rejected[1] = 3;
  CHECK(look().code == errc::bad_index);
  in.plan.entries = {entries, 3};
  CHECK(look().code == errc::bad_extent);
  in.plan = {};
  rejected[1] = 2;
  CHECK(look().ok());
}

TEST_CASE("validate_rows: NaN in the rows of items that count") {
  std::vector<float> x(6 * 8, 0.5f);
  const auto rows = [&](int k) { return view<const float, 2>(x.data() + 8 * k, 2, 3, 4, 1); };  // the fourth is a gap
  const bool mask[] = {false, true};
  const row_pair_inputs<noise_error, space::host> in = {
      .chosen = {rows(0), rows(1), rows(2)}, .rejected = {rows(3), rows(4), rows(5)}, .mask = {mask, 2}};
  const auto look = [&] { return validate_rows(cpu{}, noise_error{}, diffusion_dpo{}, in); };
  x[3] = x[7] = x[1] = std::numeric_limits<float>::quiet_NaN();  // gaps, and an item that is left out
  CHECK(look().ok());
  x[8 * 4 + 6] = std::numeric_limits<float>::quiet_NaN();
  const status s = look();
  CHECK((s.code == errc::not_a_number && s.index == 1));
  CHECK(std::string(s.argument) == noise_error::pair_names[1][1]);
  double loss = 0;
  CHECK(text(evaluate_rows<float>(cpu{.content = content::all}, noise_error{}, diffusion_dpo{}, in,
                                  {.loss = {&loss, 1}})) == text(s));
  CHECK(validate_rows(cpu{}, noise_error{}, diffusion_dpo{.beta = -1.0}, in).code == errc::bad_parameter);
}

TEST_CASE("validate_lists: offsets, rankings, NaN in grades and scores, in the workspace of the call") {
  double score[] = {1, 2, 3}, weight[] = {1, 1};
  int offsets[] = {0, 1, 3}, ranking[] = {0, 1, 0};
  bool item_mask[] = {true, false, true};
  std::vector<char> scratch(evaluate_lists_workspace(2, 3));
  const cpu exec{.workspace = {scratch.data(), scratch.size()}};
  list_inputs<space::host> in = {.score = {score, 3},
                                 .offsets = {offsets, 3},
                                 .ranking = {ranking, 3},
                                 .item_mask = {item_mask, 3},
                                 .weight = {weight, 2}};
  const auto look = [&] { return validate_lists(exec, plackett_luce{}, in); };
  CHECK(look().ok());
  CHECK(validate_lists(cpu{}, plackett_luce{}, in).code == errc::small_workspace);
  score[1] = not_a_number;  // left out
  CHECK(look().ok());
  score[2] = not_a_number;
  CHECK((look().code == errc::not_a_number && look().index == 2 && std::string(look().argument) == "score"));
  weight[1] = not_a_number;
  CHECK(std::string(look().argument) == "weight");
  ranking[2] = 1;
  CHECK((look().code == errc::bad_index && std::string(look().argument) == "ranking"));
  double loss = 0;
  CHECK(text(look()) == text(evaluate_lists(exec, plackett_luce{}, in, {.loss = {&loss, 1}})));
  offsets[1] = 9;
  CHECK(look().code == errc::bad_offsets);
  in.score = {};
  CHECK(look().code == errc::missing_input);
}
