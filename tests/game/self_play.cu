// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#include <prefer/game/duality_gap.cuh>
#include <prefer/game/preference.cuh>
#include <prefer/game/self_play.cuh>
#include <prefer/game/validate.cuh>
#include <game/packed_games.hpp>
#include <game/random_games.hpp>
#include <game/textbook.hpp>
#include <support/coverage.hpp>
#include <support/cuda.cuh>

#include <doctest/doctest.h>

#include <cmath>
#include <string>

using namespace prefer;
using prefer_test::covers;
using prefer_test::device_array;
using prefer_test::for_method_types;
using prefer_test::game_batch;
using prefer_test::numbers;
using prefer_test::packed_games;
using prefer_test::stream;

namespace {

template <class T>
void near(const T* got, const prefer_test::policy& exact, double tolerance) {
  for (std::size_t i = 0; i < exact.size(); ++i)
    CHECK(std::abs(static_cast<double>(got[i]) - static_cast<double>(exact[i])) <= tolerance);
}
prefer_test::policy logs(prefer_test::policy x) {
  for (long double& v : x) v = std::log(v);
  return x;
}

// A game as papers play it, until a gap measured every `every` steps is at most the tolerance.
struct paper_play {
  prefer_test::textbook book;
  prefer_test::policy history;
  template <class T, class Method>
  paper_play(const game_batch<T>& g, std::int64_t b, const std::vector<std::size_t>& actions, const T* start,
             const Method& method, std::int64_t steps, std::int64_t every, double tolerance)
      : book(prefer_test::preferences(g.preference.data() + b * g.n * g.n, g.n, actions),
             prefer_test::probabilities(g.reference.data() + b * g.n, actions),
             prefer_test::probabilities(start, actions)) {
    const double tau = method.gap_temperature().template as<double>();
    do {
      book.run(method, every);
      history.push_back(prefer_test::best_answer(book.p, book.mu, book.now, tau).gap);
    } while (history.back() > tolerance && book.t < steps);
  }
};

// Games and room for results on the device.
template <class T>
struct device_games {
  std::int64_t batch, n;
  device_array<T> preference, reference, policy, average;
  device_array<double> gap, history;
  device_array<std::int64_t> iterations;
  device_array<std::int32_t> sizes;
  device_array<unsigned char> possible, converged;
  prefer_test::device_workspace scratch;

  explicit device_games(const game_batch<T>& g)
      : batch(g.batch),
        n(g.n),
        preference(g.preference),
        reference(g.reference),
        policy(g.reference.size()),
        average(g.reference.size()),
        gap(static_cast<std::size_t>(g.batch)),
        history(static_cast<std::size_t>(g.batch) * 3),
        iterations(static_cast<std::size_t>(g.batch)),
        sizes(std::vector<std::int32_t>(static_cast<std::size_t>(g.batch), static_cast<std::int32_t>(g.n))),
        possible(std::vector<unsigned char>(g.reference.size(), 1)),
        converged(static_cast<std::size_t>(g.batch)),
        scratch(game_workspace<T>(g.batch, g.n)) {}
  games<space::device, T> in() const {
    return {.preference = {preference.data, batch, n, n}, .reference = {reference.data, batch, n}};
  }
  play_outputs<space::device, T> out() {
    return {.policy = {policy.data, batch, n},
            .average = {average.data, batch, n},
            .gap = {gap.data, batch},
            .iterations = {iterations.data, batch},
            .converged = {reinterpret_cast<bool*>(converged.data), batch},
            .history = {history.data, batch, 3}};
  }
};

// Six steps with three measurements: the policies, gaps and histories of the papers, in `launches` launches.
template <class T, class Method>
void compare(const std::string& name, const Method& method, std::int64_t batch, std::int64_t n, int launches,
             double tolerance) {
  INFO(name, ", n = ", n);
  stream s;
  const game_batch<T> g(batch, n, static_cast<std::uint64_t>(n));
  device_games<T> d(g);
  prefer_test::enqueues_only(name.c_str(), launches, [&] {
    check(self_play<T>(cuda{.stream = s.handle, .workspace = d.scratch.get()}, method, d.in(),
                       {.max_iterations = 6, .every = 2}, d.out()));
  });
  s.wait();
  const auto policy = d.policy.fetch(), average = d.average.fetch();
  const auto gap = d.gap.fetch(), history = d.history.fetch();
  for (std::int64_t b = 0; b < batch; ++b) {
    const paper_play exact(g, b, prefer_test::first_actions(n), g.reference.data() + b * n, method, 6, 2, -1);
    near(policy.data() + b * n, logs(exact.book.now), tolerance);
    near(average.data() + b * n, logs(exact.book.average()), tolerance);
    near(history.data() + b * 3, exact.history, tolerance);
    CHECK(gap[static_cast<std::size_t>(b)] == history[static_cast<std::size_t>(b * 3 + 2)]);
  }
  CHECK(d.iterations.fetch() == std::vector<std::int64_t>(static_cast<std::size_t>(batch), 6));
  covers<T>(name.c_str(), "sizes"), covers(name.c_str(), "allocation");
}

// Packed games on the device.
struct device_packed {
  device_array<double> preference, reference;
  device_array<std::int64_t> offsets, tables;
  games<space::device> in;
  explicit device_packed(const packed_games& g)
      : preference(g.preference),
        reference(g.reference),
        offsets(g.offsets),
        tables(g.tables),
        in{.preference = {preference.data, 1, 1, g.entries()},
           .reference = {reference.data, 1, g.actions()},
           .packed = {{offsets.data, g.count() + 1}, {tables.data, g.count()}, g.actions(), g.largest}} {}
};

template <class T>
void send(const std::vector<T>& from, const device_array<T>& to) {
  REQUIRE(cudaMemcpy(to.data, from.data(), from.size() * sizeof(T), cudaMemcpyHostToDevice) == cudaSuccess);
}

}  // namespace

// Float products carry errors of about 1e-7.
TEST_CASE("self_play on CUDA does the steps of the papers, in one launch, or some per step of large games") {
  for_method_types([&](const std::string& name, const auto& method) {
    using method_type = std::decay_t<decltype(method)>;
    for (std::int64_t n : {3, 4, 40}) compare<double>(name, method, 5, n, 1, 1e-12);
    if constexpr (std::is_same_v<method_type, extragradient>) {
      for (std::int64_t n : {33, 65, 520}) compare<double>(name, method, 2, n, 1, 1e-12);
      for (std::int64_t n : {7, 70}) compare<float>(name, method, 3, n, 1, 2e-5);
      // Start and end; per step two products with what follows each; three measurements with theirs.
      compare<double>(name, method, 1, 1030, 2 + 6 * 4 + 3 * 2, 1e-12);
    }
  });
}

TEST_CASE("games end on the device when their gap is small enough, small and large") {
  stream s;
  for (std::int64_t n : {6, 1030}) {
    const game_batch<> g(2, n, 5);
    device_games<double> d(g);
    const std::int64_t steps = n == 6 ? 400 : 24;
    const double tolerance = n == 6 ? 1e-4 : 1e-3;
    auto out = d.out();
    out.history = {};
    check(self_play(cuda{.stream = s.handle, .workspace = d.scratch.get()}, extragradient{}, d.in(),
                    {.max_iterations = steps, .tolerance = tolerance, .every = 8}, out));
    s.wait();
    const auto policy = d.policy.fetch();
    for (std::int64_t b = 0; b < 2; ++b) {
      const paper_play exact(g, b, prefer_test::first_actions(n), g.reference.data() + b * n, extragradient{}, steps, 8,
                             tolerance);
      CHECK(d.iterations.fetch()[static_cast<std::size_t>(b)] == exact.book.t);
      CHECK(exact.book.t < steps);
      near(policy.data() + b * n, logs(exact.book.now), 1e-11);
    }
    CHECK(d.converged.fetch() == std::vector<unsigned char>(2, 1));
  }
}

TEST_CASE("masks, sizes, strides and starts mean the same on CUDA, and bad content is NaN in its own game") {
  stream s;
  const std::int64_t n = 70;
  game_batch<> g(4, n, 3);
  for (std::int64_t i = 0; i < n; ++i) g.at(1, i, 5) = g.at(1, 5, i) = std::nan("");
  g.at(3, 2, 4) = std::nan("");
  std::vector<unsigned char> mask(static_cast<std::size_t>(4 * n), 1);
  mask[static_cast<std::size_t>(n + 5)] = 0;
  const device_array<unsigned char> possible(mask);
  const device_array<std::int32_t> sizes(std::vector<std::int32_t>{68, 70, 71, 70});
  for_method_types([&](const std::string& name, const auto& method) {
    INFO(name);
    device_games<double> d(g);
    auto in = d.in();
    in.possible = {reinterpret_cast<const bool*>(possible.data), 4, n}, in.actions = {sizes.data, 4};
    auto out = d.out();
    out.history = {};
    check(self_play(cuda{.stream = s.handle, .workspace = d.scratch.get()}, method, in,
                    {.start = {d.reference.data, 4, n, 0, 1}, .max_iterations = 5}, out));
    s.wait();
    auto policy = d.policy.fetch();
    auto alive = prefer_test::first_actions(n);
    alive.erase(alive.begin() + 5);
    const paper_play small(g, 0, prefer_test::first_actions(68), g.reference.data(), method, 5, 5, -1);
    const paper_play masked(g, 1, alive, g.reference.data(), method, 5, 5, -1);
    near(policy.data(), logs(small.book.now), 1e-12);
    CHECK((policy[68] == -HUGE_VAL && policy[69] == -HUGE_VAL && policy[70 + 5] == -HUGE_VAL));
    policy.erase(policy.begin() + n + 5);
    near(policy.data() + n, logs(masked.book.now), 1e-12);
    const numbers gap = d.gap.fetch();
    CHECK((std::isfinite(gap[0]) && std::isfinite(gap[1]) && std::isnan(gap[2]) && std::isnan(gap[3])));
    covers(name.c_str(), "masked");
  });
}

TEST_CASE("bad tables and sizes are named in the word of the caller") {
  stream s;
  const std::int64_t n = 5;
  const double nan = std::nan("");
  const auto word = [&](std::size_t at, double value, std::int32_t size) {
    game_batch<> g(2, n, 3);
    if (at < g.preference.size()) g.preference[at] = value;
    device_games<double> d(g);
    const device_array<std::int32_t> sizes(std::vector<std::int32_t>{5, size});
    const device_array<content_report> report(std::vector<content_report>(1));
    auto in = d.in();
    in.actions = {sizes.data, 2};
    check(self_play(cuda{.stream = s.handle, .report = report.data}, extragradient{}, in, {.max_iterations = 1}, {}));
    s.wait();
    return report.fetch()[0];
  };
  const auto is = [](const content_report& r, errc code, std::int64_t index) {
    CHECK((r.code() == code && r.index() == index));
  };
  is(word(99, 0, 5), errc::ok, -1);
  is(word(25 + 13, nan, 5), errc::not_a_number, 25 + 13);
  is(word(25 + 13, 1.5, 5), errc::bad_label, 25 + 13);
  is(word(25 + 6, 0.4, 5), errc::bad_label, 25 + 6);
  is(word(25 + 24, nan, 4), errc::ok, -1);  // of an action that this game does not have
  is(word(99, 0, 6), errc::bad_index, 1);
}

TEST_CASE("duality gaps on CUDA are those of the definition") {
  stream s;
  for (std::int64_t n : {5, 70, 1030})
    for (double tau : {0.0, 0.2}) {
      const game_batch<> g(2, n, 8);
      device_games<double> d(g);
      const device_array<double> gap(2), exploit(2), wins(static_cast<std::size_t>(2 * n)),
          response(static_cast<std::size_t>(2 * n));
      const device_array<std::int64_t> action(2);
      prefer_test::enqueues_only("duality_gap", n > 1000 ? 3 : 1, [&] {
        check(duality_gap(cuda{.stream = s.handle, .workspace = d.scratch.get()}, d.in(),
                          {d.reference.data, 2, n, 0, 1}, tau,
                          {{gap.data, 2}, {exploit.data, 2}, {wins.data, 2, n}, {response.data, 2, n},
                           {action.data, 2}}));
      });
      s.wait();
      const auto all = prefer_test::first_actions(n);
      for (std::int64_t b = 0; b < 2; ++b) {
        const prefer_test::best_answer exact(prefer_test::preferences(g.preference.data() + b * n * n, n, all),
                                             prefer_test::probabilities(g.reference.data() + b * n, all),
                                             prefer_test::probabilities(g.reference.data(), all), tau);
        near(gap.fetch().data() + b, {exact.gap}, 1e-12);
        near(exploit.fetch().data() + b, {exact.exploitability}, 1e-12);
        near(wins.fetch().data() + b * n, exact.wins, 1e-12);
        if (tau > 0) near(response.fetch().data() + b * n, logs(exact.response), 1e-11);
        const auto best = static_cast<std::size_t>(action.fetch()[static_cast<std::size_t>(b)]);
        CHECK(exact.wins[best] == exact.exploitability + 0.5L);
        if (tau == 0) CHECK(response.fetch()[static_cast<std::size_t>(b * n) + best] == 0);
      }
    }
  for (const char* tag : {"masked", "allocation"}) covers("duality_gap", tag);
  covers<double>("duality_gap", "sizes");
}

TEST_CASE("packed games on CUDA are played and measured as the papers say, and nothing is written between them") {
  stream s;
  for (const std::vector<std::int64_t>& sizes : {std::vector<std::int64_t>{3, 1, 40, 7}, {5, 70}, {1030, 3}}) {
    const packed_games g(sizes);
    const device_packed d(g);
    const device_array<double> policy(numbers(g.reference.size(), 7)), wins(numbers(g.reference.size(), 7)),
        gap(sizes.size());
    const prefer_test::device_workspace scratch(game_workspace(g.count(), g.largest));
    const cuda exec{.stream = s.handle, .workspace = scratch.get()};
    const std::int64_t steps = g.largest > 1000 ? 1 : 5;
    prefer_test::enqueues_only("packed", g.largest > 1000 ? 2 + 4 : 1, [&] {
      check(self_play(exec, extragradient{}, d.in, {.max_iterations = steps},
                      {.policy = {policy.data, 1, g.actions()}}));
    });
    check(duality_gap(exec, d.in, {policy.data, 1, g.actions()}, 0.1,
                      {.gap = {gap.data, g.count()}, .wins = {wins.data, 1, g.actions()}}));
    s.wait();
    const numbers x = policy.fetch(), w = wins.fetch(), gaps = gap.fetch();
    for (std::size_t b = 0; b < sizes.size(); ++b) {
      const auto all = prefer_test::first_actions(sizes[b]);
      const auto mu = prefer_test::probabilities(g.reference.data() + g.offsets[b], all);
      const auto p = prefer_test::preferences(g.preference.data() + g.tables[b], sizes[b], all);
      prefer_test::textbook book(p, mu, mu);
      book.run(extragradient{}, steps);
      near(x.data() + g.offsets[b], logs(book.now), 1e-12);
      const prefer_test::best_answer exact(p, mu, book.now, 0.1);
      near(w.data() + g.offsets[b], exact.wins, 1e-12);
      near(gaps.data() + b, {exact.gap}, 1e-12);
    }
    g.each_place([&](std::size_t place, std::int64_t b, std::int64_t) {
      if (b < 0) CHECK((x[place] == 7 && w[place] == 7));
    });
  }
}

TEST_CASE("packed tables on CUDA are those of the host") {
  stream s;
  const packed_games g({3, 1, 9, 20});
  const device_packed d(g);
  const device_array<double> out(g.preference.size());
  const cuda exec{.stream = s.handle};
  const auto same = [&](auto call) {
    numbers host(g.preference.size(), 7);
    send(host, out);
    check(call(exec, d.in, view<double, 3, space::device>(out.data, 1, 1, g.entries())));
    check(call(cpu{}, g.view(), view<double, 3, space::host>(host.data(), 1, 1, g.entries())));
    s.wait();
    const numbers got = out.fetch();
    for (std::size_t k = 0; k < got.size(); ++k) CHECK(std::abs(got[k] - host[k]) < 1e-15);
  };
  same([](const auto& e, const auto& in, const auto& to) { return antisymmetrize(e, in.preference, to, in.packed); });
  same([](const auto& e, const auto& in, const auto& to) {
    return preference_from_counts(e, in.preference, 0.5, to, in.packed);
  });
  same([](const auto& e, const auto& in, const auto& to) {
    return preference_from_scores(e, in.reference, 2, to, in.packed);
  });
}

TEST_CASE("offsets that are out of range are not followed: their game is NaN, is named, and no other suffers") {
  stream s;
  const auto play = [&](std::size_t list, std::size_t at, std::int64_t bad, std::size_t game) {
    packed_games g({3, 4, 5});
    (list == 0 ? g.offsets : g.tables)[at] = bad;
    const device_packed d(g);
    const device_array<double> policy(numbers(g.reference.size(), 7)), gap(3);
    const device_array<content_report> report(std::vector<content_report>(1));
    check(self_play(cuda{.stream = s.handle, .report = report.data}, extragradient{}, d.in, {.max_iterations = 2},
                    {.policy = {policy.data, 1, g.actions()}, .gap = {gap.data, 3}}));
    s.wait();
    const numbers gaps = gap.fetch();
    for (std::size_t b = 0; b < 3; ++b) CHECK(std::isnan(gaps[b]) == (b == game));
    const content_report word = report.fetch()[0];
    CHECK((word.code() == errc::bad_offsets && word.index() == static_cast<std::int64_t>(game)));
    CHECK(policy.fetch()[0] == 7);
    const status checked = validate_games(cuda{s.handle}, d.in);
    INFO(message(checked).text, ", list ", list, ", game ", game);
    CHECK((checked.code == errc::bad_offsets && checked.index == static_cast<std::int64_t>(game)));
    CHECK(std::string(checked.argument) == (list == 0 ? "packed.offsets" : "packed.tables"));
  };
  play(0, 0, -1, 0);
  play(0, 3, std::int64_t{1} << 62, 2);
  play(1, 1, -1, 1);
  play(1, 2, std::int64_t{1} << 62, 2);
}

TEST_CASE("validate_games on CUDA says what it says on the CPU, for any strides, and looks at policies too") {
  stream s;
  const auto both = [&](errc code, const char* argument, std::int64_t index, auto change) {
    game_batch<> g(2, 5, 3);
    numbers policy = g.reference;
    change(g, policy);
    const device_games<double> d(g);
    const device_array<double> weights(policy);
    for (const bool flipped : {false, true}) {  // then other entries come first
      games<space::host> host = g.view();
      games<space::device> device = d.in();
      if (flipped) host.preference = {g.preference.data(), 2, 5, 5, 25, 1, 5};
      if (flipped) device.preference = {d.preference.data, 2, 5, 5, 25, 1, 5};
      const status expected = validate_games(cpu{}, host, {policy.data(), 2, 5});
      const status got = validate_games(cuda{s.handle}, device, {weights.data, 2, 5});
      CHECK((got.code == expected.code && got.index == expected.index && got.code == code));
      CHECK(std::string(got.argument) == expected.argument);
      CHECK((flipped || (got.index == index && std::string(got.argument) == argument)));
    }
  };
  both(errc::ok, "", -1, [](auto&, auto&) {});
  both(errc::not_a_number, "preference", 25 + 13, [](auto& g, auto&) { g.at(1, 2, 3) = std::nan(""); });
  both(errc::bad_label, "preference", 7, [](auto& g, auto&) { g.at(0, 1, 2) = -0.5; });
  both(errc::not_a_number, "reference", 8, [](auto& g, auto&) { g.reference[8] = std::nan(""); });
  both(errc::bad_label, "policy", 3, [](auto&, auto& policy) { policy[3] = HUGE_VAL; });
  const game_batch<float> narrow(1, 4, 3);
  const device_games<float> d(narrow);
  CHECK(validate_games<float>(cuda{s.handle}, d.in()).ok());
  auto in = d.in();
  in.reference.extent[1] = 3;
  CHECK(validate_games<float>(cuda{s.handle}, in).code == errc::bad_extent);
}

TEST_CASE("plays and measurements are captured; replays see other tables and temperatures") {
  stream s;
  for (const std::int64_t n : {6, 1030}) {
    const game_batch<> first(2, n, 5), second(2, n, 6);
    device_games<double> d(first), direct(first);
    const device_array<double> tau(numbers{0.3}), gap(2), expected_gap(2);
    const auto play = [&](device_games<double>& to, const scalar& temperature, const device_array<double>& gaps) {
      const cuda exec{.stream = s.handle, .workspace = to.scratch.get()};
      auto out = to.out();
      out.history = {};
      check(self_play(exec, extragradient{.temperature = temperature}, to.in(), {.max_iterations = 2}, out));
      check(duality_gap(exec, to.in(), {to.policy.data, 2, n}, temperature, {.gap = {gaps.data, 2}}));
    };
    const cudaGraphExec_t graph = prefer_test::capture(s.handle, [&] { play(d, tau.data, gap); });
    const auto replay = [&](const game_batch<>& tables, double temperature) {
      send(tables.preference, d.preference), send(tables.preference, direct.preference);
      send(numbers{temperature}, tau);
      REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
      s.wait();
      play(direct, temperature, expected_gap);
      s.wait();
      CHECK(d.policy.fetch() == direct.policy.fetch());
      CHECK(d.gap.fetch() == direct.gap.fetch());
      CHECK(gap.fetch() == expected_gap.fetch());
      return d.policy.fetch();
    };
    const numbers cold = replay(first, 0.3), hot = replay(first, 2), other = replay(second, 2);
    CHECK((cold != hot && hot != other));
    send(numbers{-1}, tau);  // nobody looked: no temperature, no gap
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    CHECK(std::isnan(gap.fetch()[0]));
    cudaGraphExecDestroy(graph);
  }
  for (const char* name : {"extragradient", "duality_gap"}) covers(name, "capture");
}

TEST_CASE("every method is captured, and a capture without the workspace that a call needs is refused") {
  stream s;
  const game_batch<> g(2, 5, 5), large(1, 600, 1);
  device_games<double> d(g), direct(g), wide(large);
  for_method_types([&](const std::string& name, const auto& method) {
    INFO(name);
    const auto play = [&](device_games<double>& to) {
      return self_play(cuda{.stream = s.handle}, method, to.in(), {.max_iterations = 4}, {.policy = to.out().policy});
    };
    const cudaGraphExec_t graph = prefer_test::capture(s.handle, [&] { check(play(d)); });
    for (int turn = 0; turn < 2; ++turn) REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    check(play(direct));
    s.wait();
    CHECK(d.policy.fetch() == direct.policy.fetch());
    cudaGraphExecDestroy(graph);
    covers(name.c_str(), "capture");
  });
  cudaGraphExecDestroy(prefer_test::capture(s.handle, [&] {
    CHECK(self_play(cuda{.stream = s.handle}, extragradient{}, wide.in(), {}, {.policy = wide.out().policy}).code ==
          errc::capture_needs_workspace);
  }));
}

TEST_CASE("tables on CUDA are what their formulas say") {
  stream s;
  const std::size_t n = 21;
  const game_batch<> g(3, 21, 8);
  const device_array<double> in(g.preference), out(g.preference.size()), scores(g.reference);
  const auto all_entries = [&](const char* name, auto exact) {
    s.wait();
    const numbers p = out.fetch();
    for (std::size_t k = 0; k < p.size(); ++k) {
      const std::size_t b = k / (n * n), i = k / n % n, j = k % n;
      CHECK(std::abs(p[k] - (i == j ? 0.5 : exact(b, i, j))) < 1e-15);
    }
    covers(name, "allocation"), covers<double>(name, "sizes");
  };
  const auto entry = [&](std::size_t b, std::size_t i, std::size_t j) { return g.preference[(b * n + i) * n + j]; };
  const cuda exec{.stream = s.handle};
  prefer_test::enqueues_only("tables", 1, [&] {
    check(antisymmetrize(exec, {in.data, 3, n, n, n * n, 1, n}, {out.data, 3, n, n}));
  });
  all_entries("antisymmetrize", [&](auto b, auto i, auto j) { return (entry(b, j, i) + 1 - entry(b, i, j)) / 2; });
  prefer_test::enqueues_only("tables", 1, [&] {
    check(preference_from_counts(exec, {in.data, 3, n, n}, 0.5, {out.data, 3, n, n}));
  });
  all_entries("preference_from_counts", [&](auto b, auto i, auto j) {
    return (entry(b, i, j) + 0.5) / (entry(b, i, j) + entry(b, j, i) + 1);
  });
  prefer_test::enqueues_only("tables", 1, [&] {
    check(preference_from_scores(exec, {scores.data, 3, n}, 2, {out.data, 3, n, n}));
  });
  all_entries("preference_from_scores", [&](auto b, auto i, auto j) {
    return 1 / (1 + std::exp(2 * (g.reference[b * n + j] - g.reference[b * n + i])));
  });
}

TEST_CASE("tables are captured, and replays see what they are made of") {
  stream s;
  const std::int64_t n = 6;
  const game_batch<> first(2, n, 8), second(2, n, 9);
  const device_array<double> in(first.preference), scores(first.reference), out(first.preference.size());
  const view<const double, 3, space::device> table = {in.data, 2, n, n};
  const view<double, 3, space::device> to = {out.data, 2, n, n};
  const auto replayed = [&](const char* name, auto call) {
    send(first.preference, in), send(first.reference, scores);
    const cudaGraphExec_t graph = prefer_test::capture(s.handle, [&] { check(call()); });
    send(second.preference, in), send(second.reference, scores);
    REQUIRE(cudaGraphLaunch(graph, s.handle) == cudaSuccess);
    s.wait();
    const numbers got = out.fetch();
    check(call());
    s.wait();
    CHECK(got == out.fetch());
    send(first.preference, in), send(first.reference, scores);
    check(call());
    s.wait();
    CHECK(got != out.fetch());
    cudaGraphExecDestroy(graph);
    covers(name, "capture");
  };
  const cuda exec{.stream = s.handle};
  replayed("antisymmetrize", [&] { return antisymmetrize(exec, table, to); });
  replayed("preference_from_counts", [&] { return preference_from_counts(exec, table, 1, to); });
  replayed("preference_from_scores", [&] { return preference_from_scores(exec, {scores.data, 2, n}, 2, to); });
}

TEST_CASE("CUDA calls refuse bad arguments before they launch") {
  stream s;
  const game_batch<> g(2, 600, 3);
  device_games<double> d(g);
  auto in = d.in();
  in.reference.extent[0] = 3;
  for_method_types([&](const std::string& name, const auto& method) {
    CHECK(self_play(cuda{s.handle}, method, in, {}, d.out()).code == errc::bad_extent);
    const cuda small{.stream = s.handle, .workspace = {d.scratch.memory, 100}};
    CHECK(self_play(small, method, d.in(), {.max_iterations = 48}, d.out()).code == errc::small_workspace);
    covers(name.c_str(), "bad-argument");
  });
  const view<const double, 2, space::device> policy = {d.reference.data, 2, 600};
  CHECK(duality_gap(cuda{s.handle}, in, policy, 0.1, {}).code == errc::bad_extent);
  covers("duality_gap", "bad-argument");
  const view<const double, 3, space::device> table = {d.preference.data, 1, 600, 600};
  const view<double, 3, space::device> out = {d.preference.data, 1, 600, 601};
  CHECK(antisymmetrize(cuda{s.handle}, table, out).code == errc::bad_extent);
  CHECK(preference_from_counts(cuda{s.handle}, table, 0, out).code == errc::bad_extent);
  CHECK(preference_from_scores(cuda{s.handle}, policy, 0, out).code == errc::bad_extent);
  for (const char* name : {"antisymmetrize", "preference_from_counts", "preference_from_scores"})
    covers(name, "bad-argument");
}
