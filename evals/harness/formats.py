"""Which format each task is asked in: the one that travels with the model that is asked.

Looked for in this order: `--format`; `eighth-rank.toml` in the adapter's own folder or Hub repository; the
serve spec; the shipped default, which is said aloud, because no adapter was trained on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping
from functools import cache
from pathlib import Path

from evals.formats.file import FormatError, load_format, parse_format
from evals.formats.format import FILE_NAME, Format, Question
from evals.formats.placeholders import PlaceholderError
from evals.harness.options import Options
from evals.tasks import TaskSettings, build_tasks, is_gated, task_names
from evals.tasks.registry import missing
from serve.errors import ServeError
from serve.spec import ServeSpec, is_folder, load_spec

HUB = "hf://"
FORMAT_ERRORS = (FormatError, PlaceholderError, ServeError)
"""What a user can cause here."""


@dataclasses.dataclass(frozen=True, slots=True)
class Formats:
    """The format of each task, and the model that it is asked of, as far as that is known."""

    by_task: Mapping[str, Format]
    models: Mapping[str, str | None] = dataclasses.field(default_factory=dict[str, str | None])

    def lines(self, root: Path, asked: Container[str]) -> list[str]:
        """For the header: each format with the tasks that are asked in it, and what a person has to know.

        :param asked: the tasks to speak of. One that brings its own prompts is asked in no format.
        """
        tasks: dict[str, list[str]] = {}
        for task, format in self._asked_in(asked).items():
            tasks.setdefault(_below(format.name, root), []).append(task)
        one = len(tasks) == 1
        said = [name if one else f"{name} ({', '.join(each)})" for name, each in tasks.items()]
        return [*said, *self.notes(asked)]

    def notes(self, asked: Container[str]) -> list[str]:
        """What a person has to know: which models are asked in no format of their own."""
        strange = [task for task, format in self._asked_in(asked).items() if not format.own]
        strangers = sorted({self.models.get(task) or "the model" for task in strange})
        note = (
            f"no format is known for {', '.join(strangers)}: asked in the shipped default, which is not what "
            "it was trained on. Give --format, or make one from the training file: python -m evals adopt"
        )
        return [note] if strangers else []

    def _asked_in(self, asked: Container[str]) -> Mapping[str, Format]:
        tasks = build_tasks(TaskSettings(questions={}))
        return {
            name: format
            for name, format in self.by_task.items()
            if name in asked and name in tasks and tasks[name].questions and is_gated(name)
        }

    def settings(self, options: Options) -> TaskSettings:
        """How tasks ask in this session."""
        tasks = build_tasks(TaskSettings(questions={}))
        questions: dict[str, Question] = {}
        for name, task in tasks.items():
            # One registered later is asked nowhere; one without gates asks another task's question.
            if name not in self.by_task or not is_gated(name):
                continue
            found = self.by_task[name].questions
            questions |= {each: found[each] for each in task.questions if each in found}
        return TaskSettings(questions=questions, constrain=options.constrain)

    def left_out(self, settings: TaskSettings) -> Mapping[str, str]:
        """Task -> why it cannot be asked in its format."""
        return {
            name: f"the format {self._of(name, absent[0])} has no {absent[0]!r}"
            for name, task in build_tasks(settings).items()
            if name in self.by_task and (absent := missing(task, settings.questions))
        }

    def _of(self, task: str, question: str) -> str:
        return self.by_task[task if is_gated(task) else question].name


def _below(name: str, root: Path) -> str:
    path = Path(name)
    return str(path.relative_to(root)) if path.is_relative_to(root) else name


def find_formats(options: Options) -> Formats:
    """Find the format of every task.

    :raises FormatError: a format that was given, or found, cannot be used.
    :raises ServeError: the serve spec cannot be read, or the Hub does not answer.
    """
    if options.format is not None:
        given = _load(options.format)
        return Formats(dict.fromkeys(task_names(), dataclasses.replace(given, own=True)))
    spec = None if options.base_url else load_spec(options.spec)
    default = load_format("default")

    @cache
    def of_model(model: str | None) -> Format:
        return _of_model(model, options, spec) or default

    models = {task: _model_of(task, options, spec) for task in task_names()}
    return Formats({task: of_model(model) for task, model in models.items()}, models)


def _model_of(task: str, options: Options, spec: ServeSpec | None) -> str | None:
    """The model that a task is going to be asked of, as far as that is known before there is a server."""
    asked = options.routes.get(task) or options.model
    if asked is None and options.adapters:
        asked = options.adapters[0].partition("=")[0]
    return asked or (spec.model_for(task) if spec else None)


def _of_model(model: str | None, options: Options, spec: ServeSpec | None) -> Format | None:
    """The format that lies with a model, or that the spec names; None where there is neither."""
    sources: dict[str, str] = dict(spec.adapters) | {spec.served_base: spec.base} if spec else {}
    for each in options.adapters:
        name, _, where = each.partition("=")
        sources[name] = where
    source = sources.get(model or "")
    if source and (found := _beside(source)) is not None:
        return found
    named = spec.formats.get(model or "") if spec else None
    return _load(named) if named else None


def _beside(source: str) -> Format | None:
    """The format that lies beside an adapter's weights."""
    if is_folder(source):
        path = Path(source).expanduser() / FILE_NAME
        return load_format(path) if path.is_file() else None
    return _on_hub(source)


def _load(name: str) -> Format:
    if not name.startswith(HUB):
        return load_format(name)
    found = _on_hub(name.removeprefix(HUB))
    if found is None:
        raise FormatError(f"{name} has no {FILE_NAME}: make one with python -m evals adopt")
    return found


def _on_hub(source: str) -> Format | None:
    # Not before a Hub repository is asked: huggingface_hub takes 0.1 s to import, in every session.
    from serve.sources.hub import HubSource, read_file

    found = read_file(HubSource.parse(source), FILE_NAME)
    if found is None:
        return None
    text, commit = found
    name = f"{HUB}{HubSource.parse(source).repo}@{commit[:12]}/{FILE_NAME}"
    return parse_format(text, name, Path())
