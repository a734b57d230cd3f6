// SPDX-FileCopyrightText: 2026 the prefer authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "pendulum.hpp"

#include <prefer/interop/eigen.hpp>
#include <prefer/loss/temporal_difference.hpp>
#include <prefer/loss/binary_cross_entropy.hpp>
#include <prefer/loss/reward_feedback.hpp>
#include <prefer/shape/gradient_penalty.hpp>
#include <prefer/shape/penalty_samples.hpp>

#include <array>
#include <cstdint>
#include <string>
#include <utility>

// Off-policy adversarial imitation: a discriminator tells the expert's steps from those of a policy, its logit D makes
// the reward softplus(D), and two critics and a deterministic policy learn from a replay memory (TD3).

// Where the discriminator's gradient is penalised.
enum class place { between, expert, policy };

// One way to train.
struct recipe {
  std::string name = {};
  double strength = 0;  // of the gradient penalty; 0: unconstrained
  double target = 1;
  bool one_sided = false;
  place where = place::between;
  double noise = 0;  // around the expert's or the policy's steps
  float discriminator_rate = 5e-4f;
  float real_label = 1;  // below 1: smoothed
};

// Batches have one item per column; the library's matrices one per row.
inline auto rows(const MatrixXf& m) { return prefer::as_matrix(m.transpose()); }
inline auto only_row(const MatrixXf& m) { return prefer::as_vector(m.row(0)); }
inline auto only_row(MatrixXf& m) { return prefer::as_vector(m.row(0)); }

class imitator {
 public:
  static constexpr double discount = 0.95;

  // `demonstrations`: states and actions of the expert.
  imitator(const recipe& how, const MatrixXf& demonstrations, std::uint64_t seed, int steps)
      : imitator(how, demonstrations, seed, steps, dice(seed)) {}

  MatrixXf act(const MatrixXf& s) { return actor_.forward(s).array().tanh(); }

  // A step of every pendulum, and one of learning. Answers with the number of pendulums.
  int step() {
    if (now_ % pendulum::episode == 0) swung_ = pendulum::start(together, random_);
    MatrixXf a = act(swung_) + exploration * random_.normals(pendulum::action, together);
    a = a.cwiseMax(-1.0f).cwiseMin(1.0f);
    seen_.middleCols(now_ * together, together) = pendulum::joined(swung_, a);
    swung_ = pendulum::step(swung_, a);
    next_.middleCols(now_ * together, together) = swung_;
    ++now_;
    if (now_ * together >= 4 * batch) learn();
    return together;
  }

  // softplus(D), what a discriminator loses by taking a step for the policy's, and its gradient.
  MatrixXf reward(const MatrixXf& x) {
    MatrixXf r(1, x.cols());
    price(x, {.losses = only_row(r)});
    return r;
  }
  MatrixXf reward_gradient(const MatrixXf& x) {
    MatrixXf by_logit(1, x.cols());
    price(x, {.grad_score = only_row(by_logit)});
    return discriminator_.by_input(by_logit);
  }
  MatrixXf value_gradient(const MatrixXf& x) {
    critic_[0].forward(x);
    return critic_[0].by_input(MatrixXf::Ones(1, x.cols()));
  }
  MatrixXf policy_gradient(const MatrixXf& s) {
    const MatrixXf a = act(s);
    return actor_.by_input(1 - a.array().square());
  }
  // Some of the steps that the policy made last.
  MatrixXf recent(int n) const { return seen_.middleCols(now_ * together - n, n); }

 private:
  static constexpr int together = 4, batch = 64, hidden = 32;
  static constexpr float exploration = 0.2f, rate = 1e-3f, share = 0.01f;

  recipe how_;
  MatrixXf demonstrations_;
  std::uint64_t seed_;
  dice random_;
  perceptron discriminator_, actor_, slow_actor_;
  std::array<perceptron, 2> critic_, slow_critic_;
  MatrixXf swung_, seen_, next_;  // now; all states and actions so far, and what followed
  std::int64_t now_ = 0;

  imitator(const recipe& how, const MatrixXf& demonstrations, std::uint64_t seed, int steps, dice random)
      : how_(how),
        demonstrations_(demonstrations),
        seed_(seed),
        random_(random),
        discriminator_({pendulum::input, hidden, hidden, 1}, random_),
        actor_({pendulum::state, hidden, hidden, pendulum::action}, random_),
        slow_actor_(actor_),
        critic_{perceptron({pendulum::input, hidden, hidden, 1}, random_),
                perceptron({pendulum::input, hidden, hidden, 1}, random_)},
        slow_critic_(critic_),
        seen_(pendulum::input, steps * together),
        next_(pendulum::state, steps * together) {}

  void price(const MatrixXf& x, const prefer::scored_outputs<prefer::space::host>& out) {
    const MatrixXf logit = discriminator_.forward(x);
    constexpr float policy = 0;
    prefer::check(
        prefer::evaluate<float>(prefer::cpu{}, prefer::binary_cross_entropy{},
                                {.score = only_row(logit), .label = {&policy, x.cols(), 0}, .normalizer = 1.0}, out));
  }

  MatrixXf some_of(const MatrixXf& all) {
    return MatrixXf(all(
        Eigen::all, Eigen::ArrayXi::NullaryExpr(batch, [&](Eigen::Index) { return int(random_.below(all.cols())); })));
  }

  void learn() {
    MatrixXf x(pendulum::input, batch), next(pendulum::state, batch);
    for (int i = 0; i < batch; ++i) {
      const std::int64_t at = random_.below(now_ * together);
      x.col(i) = seen_.col(at), next.col(i) = next_.col(at);
    }
    learn_discriminator(x, some_of(demonstrations_));
    learn_critics(x, next);
    if (now_ % 2 == 0) {
      learn_actor(x.topRows<pendulum::state>());
      slow_actor_.follow(actor_, share);
      for (std::size_t k = 0; k < 2; ++k) slow_critic_[k].follow(critic_[k], share);
    }
  }

  void learn_discriminator(const MatrixXf& policy, const MatrixXf& expert) {
    const bool constrained = how_.strength > 0;
    const int seen = 2 * batch, all = constrained ? 4 * batch : seen;
    MatrixXf x(pendulum::input, all), by_logit(1, all), label(1, seen);
    x.leftCols<seen_columns>() << expert, policy;
    label << MatrixXf::Constant(1, batch, how_.real_label), MatrixXf::Zero(1, batch);
    if (constrained) add_penalty(penalty_points(policy, expert), x, by_logit);
    const MatrixXf logit = discriminator_.forward(x);
    prefer::check(prefer::evaluate<float>(
        prefer::cpu{}, prefer::binary_cross_entropy{},
        {.score = prefer::as_vector(logit.row(0).head(seen)), .label = only_row(label), .normalizer = double{batch}},
        {.grad_score = prefer::as_vector(by_logit.row(0).head(seen))}));
    discriminator_.learn(by_logit, how_.discriminator_rate);
  }
  static constexpr int seen_columns = 2 * batch;

  MatrixXf penalty_points(const MatrixXf& policy, const MatrixXf& expert) const {
    MatrixXf x(pendulum::input, batch);
    const prefer::sample_draw draw{.seed = seed_, .block = static_cast<std::uint64_t>(now_)};
    if (how_.where == place::between)
      prefer::check(prefer::interpolate_samples(prefer::cpu{}, draw, {.a = rows(policy), .b = rows(expert)},
                                                {prefer::as_matrix(x.transpose())}));
    else
      prefer::check(prefer::perturb_samples(prefer::cpu{}, draw, how_.noise,
                                            {rows(how_.where == place::expert ? expert : policy)},
                                            {prefer::as_matrix(x.transpose())}));
    return x;
  }

  // The penalty's gradient by the parameters, as points to evaluate and what to go back from: the last half of x.
  void add_penalty(const MatrixXf& at, MatrixXf& x, MatrixXf& by_logit) {
    discriminator_.forward(at);
    const MatrixXf gradient = discriminator_.by_input(MatrixXf::Ones(1, batch));
    prefer::check(prefer::penalty_differences<float>(
        prefer::cpu{}, {}, {.target = how_.target, .coefficient = how_.strength, .one_sided = how_.one_sided}, 0.01,
        {.gradient = rows(gradient), .x = rows(at)},
        {.plus = prefer::as_matrix(x.middleCols<batch>(2 * batch).transpose()),
         .minus = prefer::as_matrix(x.rightCols<batch>().transpose()),
         .coefficient = prefer::as_vector(by_logit.row(0).segment<batch>(2 * batch))}));
    by_logit.rightCols<batch>() = -by_logit.middleCols<batch>(2 * batch);
  }

  void learn_critics(const MatrixXf& x, const MatrixXf& next) {
    const MatrixXf noise = (0.1f * random_.normals(pendulum::action, batch)).cwiseMax(-0.3f).cwiseMin(0.3f);
    const MatrixXf follows = MatrixXf(slow_actor_.forward(next).array().tanh()) + noise;
    const MatrixXf then = pendulum::joined(next, follows.cwiseMax(-1.0f).cwiseMin(1.0f));
    const MatrixXf next_value = slow_critic_[0].forward(then).cwiseMin(slow_critic_[1].forward(then));
    const MatrixXf earned = reward(x);
    for (perceptron& critic : critic_) {
      const MatrixXf value = critic.forward(x);
      MatrixXf by_value(1, batch);
      prefer::check(prefer::evaluate<float>(
          prefer::cpu{}, prefer::temporal_difference{.discount = discount},
          {.action_value = only_row(value), .reward = only_row(earned), .next_value = only_row(next_value)},
          {.grad_action_value = only_row(by_value)}));
      critic.learn(by_value, rate);
    }
  }

  void learn_actor(const MatrixXf& s) {
    const MatrixXf a = act(s), value = critic_[0].forward(pendulum::joined(s, a));
    MatrixXf by_value(1, batch);
    prefer::check(prefer::evaluate<float>(prefer::cpu{}, prefer::reward_linear{}, {.score = only_row(value)},
                                          {.grad_score = only_row(by_value)}));
    const MatrixXf by_action = critic_[0].by_input(by_value).bottomRows<pendulum::action>();
    actor_.learn(by_action.array() * (1 - a.array().square()), rate);
  }
};
