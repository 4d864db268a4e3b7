"""Every key of the console, once: bindings, help, command palette and the row of keys are made from this."""

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, slots=True)
class Act:
    """``action`` is also the binding's id, with the screen's name before it; ``help`` is one sentence."""

    action: str
    key: str
    label: str
    help: str
    shown: str = ""

    def bound(self, screen: str) -> Binding:
        """The binding for the screen of this name."""
        return Binding(
            self.key,
            self.action,
            self.label,
            show=False,
            id=f"{screen}.{self.action}",
            tooltip=self.help,
            key_display=self.name,
        )

    @property
    def name(self) -> str:
        """The key as it is shown."""
        return self.shown or self.key


ACTS = (
    Act("go_on", "enter", "Go on", "Do what comes next: open the window, run the next step, verify, repair."),
    Act("tick", "space", "Tick", "Tick the selected checklist line or take the tick back; a probe is asked again."),
    Act("note", "n", "Note", "Tick the selected checklist line with a note."),
    Act("cancel", "c", "Cancel", "Cancel what runs, or stop waiting for the server; a transaction is rolled back."),
    Act("signal", "k", "Terminate", "Look at the session under the cursor, or at our first blocker, and end it."),
    Act("pause", "p", "Pause", "Let no further step and no further chunk begin, or let them go on."),
    Act("roll_back", "R", "Roll back", "Show the way back; nothing happens before you say so.", "R"),
    Act("verify", "v", "Verify", "Run the selected verification again, or all that are due."),
    Act("override", "o", "Go on all the same", "Go past open lines and failed verifications, with a reason."),
    Act("detail", "d", "Detail", "Everything about the selected session of the lock tree."),
    Act(
        "summary",
        "escape",
        "Summary",
        "Out of any question without harm; from a single line back to the whole of the run.",
        "esc",
    ),
    Act("list", "l", "List", "Show or hide the whole list on a narrow screen; go to it on a wide one."),
    Act("theme", "t", "Theme", "Change between the dark and the light theme."),
    Act("help", "question_mark", "Help", "Signs and keys.", "?"),
    Act("leave", "q", "Quit", "Leave the console; what is in flight is cancelled first, after a question."),
)

BY_ACTION = {act.action: act for act in ACTS}
