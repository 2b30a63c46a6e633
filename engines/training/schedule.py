"""What depends on the step alone: the learning rate, and when a run looks at itself."""

import math

from livecassi.engines.training.recipe import RunRecipe, Schedule

FIRST_LOOK = 10  # the first validation comes this many times sooner, so that a hopeless run is seen early


def learning_rate(run: RunRecipe, step: int) -> float:
    """The learning rate of a step, counted from 0: a linear warm-up, then a constant or a cosine down to the floor."""
    if step < run.warmup:
        return run.learning_rate * (step + 1) / run.warmup
    if run.schedule is Schedule.CONSTANT:
        return run.learning_rate
    after = (step - run.warmup) // run.epoch * run.epoch
    part = min(1.0, after / (run.steps - run.warmup))
    return run.floor + (run.learning_rate - run.floor) * 0.5 * (1 + math.cos(math.pi * part))


def validation_due(run: RunRecipe, done: int, validated: int) -> bool:
    """Whether a network that was trained for `done` steps, last validated after `validated`, is to be validated.

    That is early in the run, every `validate_every` steps, and at the end; never where `validate_every` is 0.
    """
    if not run.validate_every or done <= validated:
        return False
    early = max(1, run.validate_every // FIRST_LOOK)
    latest = done // run.validate_every * run.validate_every
    return done == run.steps or latest > validated or (validated < early <= done)
