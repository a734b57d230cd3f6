// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/select/validate.hpp>
#include <support/side.hpp>

// What validates say of inputs that are right and wrong, on either side.
namespace prefer_test {

// Inputs that are right, what is said of them, and of each after one change.
template <class Side>
void check_validates() {
  using prefer::errc;
  const auto says = [](const prefer::status& s, errc code, const char* argument, std::int64_t index) {
    INFO(std::string(message(s).c_str()) << " expected for " << std::string(argument));
    CHECK((s.code == code && s.index == index && (s.ok() || std::string(s.argument) == argument)));
  };
  buffer<float> rewards(18), violation(6, 2), score(6);
  buffer<bool> mask(6);
  buffer<std::int32_t> offsets(4, 2), first(2);
  buffer<std::int64_t> second(2), ids(6), held(6), count(1);
  buffer<double> numbers(3);
  const auto reset = [&] {
    for (std::int64_t i = 0; i < 18; ++i) rewards.set(i, static_cast<double>(i % 7));
    for (std::int64_t i = 0; i < 6; ++i)
      violation.set(i, 0), score.set(i, 1), mask.at(i) = i != 5, ids.at(i) = 10 + i, held.at(i) = i;
    for (std::int64_t b = 0; b < 4; ++b) offsets.at(b) = static_cast<std::int32_t>(2 * b);
    first.at(0) = 0, first.at(1) = 5, second.at(0) = 1, second.at(1) = 2, count.at(0) = 2;
    for (std::int64_t k = 0; k < 3; ++k) numbers.set(k, 1);
    rewards.set(15, not_a_number), score.set(5, not_a_number);  // masked out
  };
  const auto samples = [&](Side& side) {
    return prefer::objective_samples<Side::memory>{.rewards = side.read(rewards, 6, 3, 3),
                                                   .offsets = side.read(offsets),
                                                   .violation = side.read(violation),
                                                   .mask = side.read(mask)};
  };
  const auto looks_at_samples = [&](errc code, const char* argument, std::int64_t index, const auto& change,
                                    const prefer::objectives& o = {}) {
    reset(), change();
    Side side;
    says(validate_samples(side.exec, o, samples(side)), code, argument, index);
  };
  const auto nothing = [] {};
  looks_at_samples(errc::ok, "", -1, nothing);
  looks_at_samples(errc::bad_offsets, "offsets", 2, [&] { offsets.at(2) = 1; });
  looks_at_samples(errc::bad_offsets, "offsets", 3, [&] { offsets.at(3) = 7; });
  looks_at_samples(errc::not_a_number, "rewards", 13, [&] { rewards.set(13, not_a_number); });
  looks_at_samples(errc::not_a_number, "violation", 4, [&] { violation.set(4, not_a_number); });
  looks_at_samples(errc::ok, "", -1, [&] { rewards.set(13, not_a_number); }, {.nan = prefer::nan_policy::ignore});
  looks_at_samples(errc::bad_parameter, "nan", -1, nothing, {.nan = static_cast<prefer::nan_policy>(7)});

  const auto looks_at_picks = [&](errc code, const char* argument, std::int64_t index, const auto& change) {
    reset(), change();
    Side side;
    says(validate_scalarized_picks(side.exec, {}, {.samples = samples(side),
                                                   .weights = side.read(numbers, 1, 3, 3),
                                                   .reference = side.read(rewards, 1, 3, 3)}),
         code, argument, index);
  };
  looks_at_picks(errc::ok, "", -1, nothing);
  looks_at_picks(errc::bad_label, "weights", 1, [&] { numbers.set(1, -1); });
  looks_at_picks(errc::bad_label, "reference", 2, [&] { rewards.set(2, INFINITY); });
  looks_at_picks(errc::bad_offsets, "offsets", 0, [&] { offsets.at(0) = -1; });

  const auto looks_at_scores = [&](errc code, const char* argument, std::int64_t index, const auto& change) {
    reset(), change();
    Side side;
    says(validate_scores(side.exec, {.score = side.read(score), .mask = side.read(mask),
                                     .groups = {.offsets = side.read(offsets)}}),
         code, argument, index);
  };
  looks_at_scores(errc::ok, "", -1, nothing);
  looks_at_scores(errc::bad_offsets, "groups.offsets", 2, [&] { offsets.at(2) = 1; });
  looks_at_scores(errc::not_a_number, "score", 3, [&] { score.set(3, not_a_number); });

  const auto looks_at_pairs = [&](errc code, const char* argument, std::int64_t index, const auto& change) {
    reset(), rewards.set(15, 0), change();
    Side side;
    says(validate_hierarchy(side.exec, {.factors = side.read(rewards, 6, 3, 3),
                                        .margins = side.read(numbers),
                                        .signs = side.read(numbers),
                                        .first = side.read(first),
                                        .second = side.read(second)}),
         code, argument, index);
  };
  looks_at_pairs(errc::ok, "", -1, nothing);
  looks_at_pairs(errc::bad_index, "first", 1, [&] { first.at(1) = 6; });
  looks_at_pairs(errc::bad_index, "second", 0, [&] { second.at(0) = -1; });
  looks_at_pairs(errc::bad_label, "margins", 2, [&] { numbers.set(2, -0.5); });
  looks_at_pairs(errc::not_a_number, "factors", 4, [&] { rewards.set(4, not_a_number); });

  const auto looks_at_front = [&](errc code, const char* argument, std::int64_t index, const auto& change) {
    reset(), change();
    Side side;
    prefer::running_front_in<Side::memory> front{.ids = side.write(held), .count = side.write(count)};
    const auto rows = side.read(rewards, 3, 3, 3);  // of which the samples are another copy
    front.rewards = {const_cast<float*>(rows.data), 3, 3};
    front.ids.extent[0] = 3;
    buffer<float> block(9);
    for (std::int64_t i = 0; i < 9; ++i) block.set(i, rewards.get(9 + i) >= 0 ? 1 : rewards.get(9 + i));
    auto names = side.read(ids);
    auto keeps = side.read(mask);
    names.extent[0] = 3, keeps.data += 3, keeps.extent[0] = 3;
    const auto more = side.read(block, 3, 3, 3);
    says(validate_front(side.exec, {}, front, {.rewards = more, .ids = names, .mask = keeps}), code, argument, index);
  };
  looks_at_front(errc::ok, "", -1, nothing);
  looks_at_front(errc::bad_index, "front.count", 0, [&] { count.at(0) = 4; });
  looks_at_front(errc::bad_index, "front.ids", 1, [&] { held.at(1) = 0; });
  looks_at_front(errc::bad_index, "ids", 2, [&] { ids.at(2) = 11; });
  looks_at_front(errc::not_a_number, "front.rewards", 4, [&] { rewards.set(4, not_a_number); });
  looks_at_front(errc::ok, "", -1, [&] { rewards.set(7, not_a_number); });  // behind the rows that are there
  looks_at_front(errc::not_a_number, "rewards", 1, [&] { rewards.set(10, not_a_number); });
}

}  // namespace prefer_test
