"""Who said what: reading transcripts, chat messages and completions, and which turns are rated."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hal_trl import Dialogue, Turn
from hal_trl.dialogue import NoReplyError


def said(dialogue: Dialogue) -> list[tuple[str, str]]:
    return [(turn.speaker, turn.text) for turn in dialogue.turns]


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def tool(content):
    return {"role": "tool", "content": content}


# --- transcripts

NO_COLON_OR_NEWLINE = st.characters(exclude_characters="\n\r:", exclude_categories=["Cs"])
ONE_LINE = st.text(NO_COLON_OR_NEWLINE, max_size=40).map(str.strip)


@settings(deadline=None, max_examples=150)
@given(
    turns=st.lists(st.tuples(st.sampled_from("AB"), ONE_LINE), min_size=1, max_size=8),
    newline=st.sampled_from(["\n", "\r\n"]),
)
def test_any_turns_written_as_a_transcript_are_read_back(turns, newline):
    assume(any(speaker == "A" for speaker, _ in turns))
    text = newline.join(f"{speaker}: {text}" for speaker, text in turns)
    assert said(Dialogue.from_transcript(text, target="A")) == turns


@settings(deadline=None, max_examples=100)
@given(lines=st.lists(ONE_LINE, min_size=1, max_size=6), newline=st.sampled_from(["\n", "\r\n"]))
def test_lines_without_a_label_stay_in_the_turn_above(lines, newline):
    dialogue = Dialogue.from_transcript("I: hey\nW: " + newline.join(lines))
    assert said(dialogue) == [("I", "hey"), ("W", "\n".join(lines).strip())]


def test_the_witness_of_a_turing_game_is_the_usual_target():
    dialogue = Dialogue.from_transcript("I: hey\nW: hi\nI: how are you\nW: good u")
    assert dialogue.target == "W"
    assert dialogue.target_texts == ("hi", "good u")
    assert dialogue.context_texts == ("hey", "how are you")


def test_any_single_word_can_be_a_label():
    dialogue = Dialogue.from_transcript("Interviewer: who are you?\nBob: bob", target="Bob")
    assert said(dialogue) == [("Interviewer", "who are you?"), ("Bob", "bob")]


def test_a_label_of_several_words_counts_once_it_speaks_twice():
    text = "Dr. Anna Lee: hello\nBob: hi\nDr. Anna Lee: how are you?\nBob: ok"
    dialogue = Dialogue.from_transcript(text, target="Bob")
    assert dialogue.context_texts == ("hello", "how are you?")


def test_the_targets_label_counts_even_with_several_words_said_once():
    dialogue = Dialogue.from_transcript("Bob: hi\nDr. Anna Lee: hello", target="Dr. Anna Lee")
    assert dialogue.target_texts == ("hello",)


def test_a_third_speaker_counts_once_it_speaks_twice():
    dialogue = Dialogue.from_transcript("A: 1\nB: 2\nC: 3\nC: 4", target="A")
    assert said(dialogue) == [("A", "1"), ("B", "2"), ("C", "3"), ("C", "4")]


@pytest.mark.parametrize("target", ["bob", "BOB", "Bob"])
def test_labels_are_compared_without_regard_to_case(target):
    dialogue = Dialogue.from_transcript("I: hey\nBob: hi\nBOB: there\nbob: you", target=target)
    assert dialogue.target_texts == ("hi", "there", "you")
    assert dialogue.context_texts == ("hey",)


def test_space_around_labels_and_texts_does_not_matter():
    assert said(Dialogue.from_transcript("  I :   hey  \n\tW:hi\t")) == [("I", "hey"), ("W", "hi")]


def test_blank_lines_within_a_turn_are_kept_and_around_it_dropped():
    assert Dialogue.from_transcript("\n\nI: hey\n\nW: one\n\ntwo\n\n").target_texts == ("one\n\ntwo",)


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
def test_newlines_of_any_system_separate_turns(newline):
    text = newline.join(["I: hey", "W: hi", "again", "I: bye", ""])
    assert said(Dialogue.from_transcript(text)) == [("I", "hey"), ("W", "hi\nagain"), ("I", "bye")]


def test_a_byte_order_mark_is_no_part_of_the_first_label():
    assert said(Dialogue.from_transcript("\ufeffW: hi\r\nI: hey")) == [("W", "hi"), ("I", "hey")]


def test_empty_turns_are_turns():
    dialogue = Dialogue.from_transcript("I: hey\nW:\nI:\nW: hi")
    assert said(dialogue) == [("I", "hey"), ("W", ""), ("I", ""), ("W", "hi")]


@pytest.mark.parametrize(
    "line",
    [
        "note to self: x",
        "by the way: call mum",
        "http://example.org",
        "https://example.org/a:b",
        "12:30",
        "tip: try it",
        "a label that is far longer than any name of a person: x",
        ": x",
    ],
)
def test_a_colon_inside_a_turn_starts_no_new_one(line):
    assert said(Dialogue.from_transcript(f"I: hey {line}\nW: well\n{line}\nI: ok")) == [
        ("I", f"hey {line}"),
        ("W", f"well\n{line}"),
        ("I", "ok"),
    ]


def test_links_in_a_turn_are_no_speaker_however_many():
    links = "http://a.org\nhttp://b.org\nhttp://c.org"
    assert said(Dialogue.from_transcript(f"W: look\n{links}\nI: ok")) == [("W", f"look\n{links}"), ("I", "ok")]


# A time can stand before the second speaker's first label, or more than once; it must not swallow that speaker.
@pytest.mark.parametrize("times", ["12:30", "12:30\n12:45"])
def test_times_in_the_first_turn_are_no_speaker(times):
    assert said(Dialogue.from_transcript(f"W: either\n{times}\nI: ok")) == [("W", f"either\n{times}"), ("I", "ok")]


def test_a_target_that_never_speaks_is_an_error_naming_the_speakers():
    with pytest.raises(ValueError, match="'W'") as raised:
        Dialogue.from_transcript("Interviewer: who are you?\nBob: bob")
    assert "Interviewer" in str(raised.value)
    assert "Bob" in str(raised.value)


@pytest.mark.parametrize("text", ["", "\n \n", "just some words", "words first\nI: hey\nW: hi", "http://a.org\nW: hi"])
def test_text_that_is_no_transcript_is_an_error(text):
    with pytest.raises(ValueError, match=r"transcript"):
        Dialogue.from_transcript(text)


# --- chat messages


def test_messages_become_turns_of_their_roles():
    dialogue = Dialogue.from_messages([user("hey"), assistant("hi"), user("bye")])
    assert said(dialogue) == [("user", "hey"), ("assistant", "hi"), ("user", "bye")]
    assert dialogue.target_texts == ("hi",)


def test_the_user_can_be_the_target():
    dialogue = Dialogue.from_messages([user("hey"), assistant("hi"), user("bye")], target="user")
    assert dialogue.target_texts == ("hey", "bye")
    assert dialogue.context_texts == ("hi",)


def test_text_parts_of_a_message_are_joined_and_others_left_out():
    parts = [{"type": "text", "text": "look"}, {"type": "image", "url": "cat.png"}, {"type": "text", "text": "a cat"}]
    assert Dialogue.from_messages([user(parts), assistant("aw")]).context_texts == ("look\na cat",)


@pytest.mark.parametrize("role", ["system", "developer", "tool"])
def test_nobody_says_system_developer_and_tool_messages(role):
    silent = {"role": role, "content": "be brief"}
    assert said(Dialogue.from_messages([silent, user("hey"), silent, assistant("hi")])) == [
        ("user", "hey"),
        ("assistant", "hi"),
    ]


def test_a_message_without_text_is_no_turn():
    call = assistant(None, tool_calls=[{"function": {"name": "clock"}}])
    image = user([{"type": "image", "url": "cat.png"}])
    dialogue = Dialogue.from_messages([user("hey"), image, call, {"role": "assistant"}, assistant("it is noon")])
    assert said(dialogue) == [("user", "hey"), ("assistant", "it is noon")]


@pytest.mark.parametrize("messages", [[], [user("hey")], [user("hey"), assistant(None)]])
def test_messages_in_which_the_target_says_nothing_are_an_error(messages):
    with pytest.raises(ValueError, match="'assistant'"):
        Dialogue.from_messages(messages)


NO_MESSAGES = {
    "texts": ["hey"],
    "none": [None],
    "no role": [{"content": "hey"}],
    "pairs": [[("role", "user")]],
    "one message outside a list": {"role": "assistant", "content": "hey"},
}


@pytest.mark.parametrize("messages", NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_what_is_no_list_of_messages_is_an_error(messages):
    with pytest.raises(ValueError, match="chat message"):
        Dialogue.from_messages(messages)
    with pytest.raises(ValueError, match="chat message"):
        Dialogue.from_completion([user("hey")], messages)
    with pytest.raises(ValueError, match="chat message"):
        Dialogue.from_completion(messages, "hi")


def test_plain_text_is_no_list_of_messages():
    with pytest.raises(ValueError, match="chat message"):
        Dialogue.from_messages("hey")


@pytest.mark.parametrize(
    "content",
    [5, [5], {"type": "text", "text": "hi"}, [{"type": "text", "text": 5}]],
    ids=["number", "list of numbers", "a part outside a list", "part with a number"],
)
def test_content_that_is_neither_text_nor_parts_is_an_error(content):
    with pytest.raises(ValueError, match="content"):
        Dialogue.from_messages([user("hey"), assistant("hi"), assistant(content)])


# --- completions


@pytest.mark.parametrize("prompt", ["hey", [user("hey")]], ids=["text prompt", "chat prompt"])
@pytest.mark.parametrize("completion", ["hi", [assistant("hi")]], ids=["text completion", "chat completion"])
def test_prompt_and_completion_may_each_be_text_or_chat(prompt, completion):
    dialogue = Dialogue.from_completion(prompt, completion)
    assert said(dialogue) == [("user", "hey"), ("assistant", "hi")]
    assert dialogue.target_texts == ("hi",)
    assert dialogue.context_texts == ("hey",)


@settings(deadline=None, max_examples=100)
@given(prompt=st.text(max_size=30), reply=st.text(st.characters(exclude_characters="<>"), max_size=30))
def test_text_and_chat_form_of_a_completion_are_read_alike(prompt, reply):
    as_text = Dialogue.from_completion(prompt, reply)
    assert as_text == Dialogue.from_completion([user(prompt)], [assistant(reply)])
    assert as_text.context_texts == (prompt,)
    assert as_text.target_texts == (reply.strip(),)


def test_earlier_assistant_turns_of_the_prompt_are_context_not_rated():
    prompt = [{"role": "system", "content": "be brief"}, user("hey"), assistant("hello there"), user("how are you?")]
    dialogue = Dialogue.from_completion(prompt, "fine")
    assert dialogue.target_texts == ("fine",)
    assert dialogue.context_texts == ("hey", "hello there", "how are you?")


@pytest.mark.parametrize("prompt", [[], None])
def test_a_completion_needs_no_prompt(prompt):
    dialogue = Dialogue.from_completion(prompt, "hi")
    assert said(dialogue) == [("assistant", "hi")]


@pytest.mark.parametrize(
    "completion",
    [None, [], [tool("12:30")], [assistant(None), tool("12:30")], [assistant([])], [user("hi")]],
    ids=["none", "no messages", "tool messages only", "tool call and result", "no parts", "another role"],
)
def test_a_completion_without_a_reply_is_its_own_error(completion):
    with pytest.raises(NoReplyError):
        Dialogue.from_completion("what time is it?", completion)


def test_no_reply_can_be_told_from_a_malformed_completion():
    with pytest.raises(ValueError, match="chat message") as raised:
        Dialogue.from_completion("hey", ["hi"])
    assert not isinstance(raised.value, NoReplyError)


def test_the_answer_after_a_tool_call_is_the_reply():
    call = assistant(None, tool_calls=[{"function": {"name": "clock"}}])
    dialogue = Dialogue.from_completion("what time is it?", [call, tool("12:30"), assistant("half past noon")])
    assert said(dialogue) == [("user", "what time is it?"), ("assistant", "half past noon")]


def test_a_tool_call_that_was_only_thought_about_is_no_empty_reply():
    call = assistant("<think>I need the clock</think>", tool_calls=[{"function": {"name": "clock"}}])
    dialogue = Dialogue.from_completion("what time is it?", [call, tool("12:30"), assistant("half past noon")])
    assert dialogue.target_texts == ("half past noon",)


def test_all_that_is_said_around_a_tool_call_is_the_reply():
    messages = [assistant("let me look"), tool("12:30"), assistant("half past noon")]
    assert Dialogue.from_completion("time?", messages).target_texts == ("let me look", "half past noon")


@pytest.mark.parametrize("completion", ["", " \n", [assistant("")], "<think>nothing to say</think>"])
def test_an_empty_reply_is_a_reply(completion):
    assert Dialogue.from_completion("hey", completion).target_texts == ("",)


@pytest.mark.parametrize(
    "completion",
    [
        "<think>be nice</think>answer",
        "<think>\nbe nice\n</think>\n\nanswer",
        "be nice</think>answer",
        "<think></think>answer",
        "<think>one</think>answer<think>two</think>",
        "be nice</think><think>more</think>answer",
    ],
)
@pytest.mark.parametrize("chat", [False, True], ids=["text", "chat"])
def test_reasoning_is_no_part_of_the_reply(completion, chat):
    completion = [assistant(completion)] if chat else completion
    assert Dialogue.from_completion("hey", completion).target_texts == ("answer",)


@pytest.mark.parametrize(
    "completion", ["<think>be nice", "<think>", "<think>one</think>answer<think>two", "one</think><think>two"]
)
@pytest.mark.parametrize("chat", [False, True], ids=["text", "chat"])
def test_reasoning_cut_before_its_end_is_no_reply(completion, chat):
    completion = [assistant(completion)] if chat else completion
    with pytest.raises(NoReplyError, match="think"):
        Dialogue.from_completion("hey", completion)


# --- one dialogue per reply


def test_each_reply_of_the_target_is_seen_in_the_light_of_all_before_it():
    replies = Dialogue.from_transcript("W: hi\nI: hey\nW:\nI: you there?\nW: yes\nI: bye").target_replies()
    assert [reply.target_texts for reply in replies] == [("hi",), ("yes",)]
    assert [reply.context_texts for reply in replies] == [(), ("hi", "hey", "", "you there?")]


def test_replies_of_a_completion_leave_out_those_of_its_prompt():
    prompt = [user("hey"), assistant("hello"), user("how are you?")]
    replies = Dialogue.from_completion(prompt, "fine").target_replies()
    assert [reply.target_texts for reply in replies] == [("fine",)]
    assert replies[0].context_texts == ("hey", "hello", "how are you?")


@settings(deadline=None, max_examples=100)
@given(
    turns=st.lists(st.builds(Turn, st.sampled_from("IW"), st.sampled_from(["", " ", "hi", "ok then"])), max_size=8),
    start=st.integers(0, 3),
)
def test_replies_are_the_non_empty_target_texts_one_by_one(turns, start):
    dialogue = Dialogue(tuple(turns), "W", start)
    replies = dialogue.target_replies()
    assert [text for reply in replies for text in reply.target_texts] == [
        text for text in dialogue.target_texts if text.strip()
    ]
    for reply in replies:
        before = dialogue.turns[: len(reply.turns) - 1]
        assert reply.context_texts == tuple(turn.text for turn in before)
