// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prefer/game/self_play.hpp>
#include <support/numbers.hpp>

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

// Batches of games, and what self-play says about them.
namespace prefer_test {

using numbers = std::vector<double>;

template <class T = double>
struct game_batch {
  std::int64_t batch, n;
  std::vector<T> preference, reference;

  // Random preferences, or tournaments (0 or 1); a reference with logarithms of about 1.
  game_batch(std::int64_t b, std::int64_t actions, std::uint64_t seed, bool tournament = false)
      : batch(b),
        n(actions),
        preference(static_cast<std::size_t>(b * actions * actions), T(0.5)),
        reference(static_cast<std::size_t>(b * actions)) {
    noise random(seed);
    for (std::int64_t k = 0; k < b; ++k)
      for (std::int64_t i = 0; i < n; ++i)
        for (std::int64_t j = 0; j < i; ++j) {
          const double p = random.uniform(0, 1);
          set(k, i, j, tournament ? static_cast<double>(p < 0.5) : p);
        }
    for (T& x : reference) x = static_cast<T>(random.uniform(-1.5, 0.5));
  }
  void set(std::int64_t b, std::int64_t i, std::int64_t j, double p) {
    at(b, i, j) = static_cast<T>(p);
    at(b, j, i) = T(1) - static_cast<T>(p);
  }
  T& at(std::int64_t b, std::int64_t i, std::int64_t j) {
    return preference[static_cast<std::size_t>((b * n + i) * n + j)];
  }
  prefer::games<prefer::space::host, T> view() const {
    return {.preference = {preference.data(), batch, n, n}, .reference = {reference.data(), batch, n}};
  }
};

// A cyclic game of an odd number of actions: each beats the (n - 1) / 2 after it with probability 1/2 + margin.
inline game_batch<> cyclic(std::int64_t n, double margin) {
  game_batch<> g(1, n, 1);
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t k = 1; k <= (n - 1) / 2; ++k) g.set(0, i, (i + k) % n, 0.5 + margin);
  for (double& x : g.reference) x = 0;
  return g;
}

struct textbook;

// A method whatever its type, so that tests are compiled once and not once for each: its calls, and what papers say.
struct any_method {
  template <class T>
  using call = std::function<prefer::status(const prefer::cpu&, const prefer::games<prefer::space::host, T>&,
                                            const prefer::play_options<prefer::space::host, T>&,
                                            const prefer::play_outputs<prefer::space::host, T>&)>;
  call<double> play;
  call<float> play_floats;
  std::function<void(textbook&, std::int64_t)> by_the_book;

  template <class Book, class Method>
  static any_method of(const Method& method) {
    const auto played = [method]<class T>(T) {
      return [method](const prefer::cpu& exec, const auto& in, const auto& how, const auto& out) {
        return prefer::self_play<T>(exec, method, in, how, out);
      };
    };
    return {played(0.0), played(0.0f), [method](Book& book, std::int64_t steps) { book.run(method, steps); }};
  }
};

// Results of a call, with the memory it needs.
template <class T = double>
struct played {
  std::int64_t batch, n;
  std::vector<T> policy, average;
  numbers gap;
  std::vector<std::int64_t> iterations;
  std::vector<char> memory;

  played(std::int64_t b, std::int64_t actions)
      : batch(b),
        n(actions),
        policy(static_cast<std::size_t>(b * actions)),
        average(policy.size()),
        gap(static_cast<std::size_t>(b)),
        iterations(static_cast<std::size_t>(b)),
        memory(prefer::game_workspace<T>(b, actions)) {}
  prefer::play_outputs<prefer::space::host, T> out() {
    return {.policy = {policy.data(), batch, n},
            .average = {average.data(), batch, n},
            .gap = {gap.data(), batch},
            .iterations = {iterations.data(), batch}};
  }
  prefer::cpu exec() { return {.workspace = {memory.data(), memory.size()}}; }
  template <class Method>
  played& run(const Method& method, const prefer::games<prefer::space::host, T>& in, std::int64_t steps,
              const T* start = nullptr, double tolerance = 0) {
    prefer::play_options<prefer::space::host, T> how = {.max_iterations = steps, .tolerance = tolerance};
    if (start != nullptr) how.start = {start, batch, n};
    if constexpr (!std::is_same_v<Method, any_method>)
      prefer::check(prefer::self_play<T>(exec(), method, in, how, out()));
    else if constexpr (std::is_same_v<T, float>)
      prefer::check(method.play_floats(exec(), in, how, out()));
    else
      prefer::check(method.play(exec(), in, how, out()));
    return *this;
  }
  const T* of(std::int64_t b) const { return policy.data() + b * n; }
};

// KL(p | q) of two log-policies.
template <class T>
double divergence(const T* log_p, const T* log_q, std::int64_t n) {
  long double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    const long double p = std::exp(static_cast<long double>(log_p[i]));
    if (p > 0) sum += p * (static_cast<long double>(log_p[i]) - static_cast<long double>(log_q[i]));
  }
  return static_cast<double>(sum);
}

// f(name, method) of every method, with parameters at which all converge.
template <class F>
void for_method_types(F f) {
  f(std::string("nash_md"), prefer::nash_md{.temperature = 0.3});
  f(std::string("mirror_descent"), prefer::mirror_descent{.temperature = 0.3});
  f(std::string("magnetic_mirror_descent"), prefer::magnetic_mirror_descent{.temperature = 0.3, .step = 0.4});
  f(std::string("extragradient"), prefer::extragradient{.temperature = 0.3});
  f(std::string("optimistic"), prefer::optimistic{.temperature = 0.3, .step = 0.4});
  f(std::string("nash_ema"), prefer::nash_ema{.temperature = 0.3, .step = 0.4, .decay = 0.3});
  f(std::string("proximal"), prefer::proximal<>{.inner = {.temperature = 0.3}, .inner_iterations = 3});
}
// The same with an any_method; Book is textbook.
template <class Book, class F>
void for_methods(const F& f) {
  for_method_types([&](const std::string& name, const auto& method) { f(name, any_method::of<Book>(method)); });
}

}  // namespace prefer_test
