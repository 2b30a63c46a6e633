"""The mailbox: the newest few, in order, and a count of what fell out."""

import threading

from livecassi.app.mailbox import Mailbox


def test_the_newest_wins_and_what_it_replaced_is_counted() -> None:
    box: Mailbox[int] = Mailbox()
    for value in (1, 2, 3):
        box.put(value)
    assert (box.take(), box.take(0), box.replaced) == ([3], [], 2)


def test_several_wait_oldest_first_and_none_comes_twice() -> None:
    box: Mailbox[int] = Mailbox(3)
    for value in (1, 2):
        box.put(value)
    assert box.take() == [1, 2]
    for value in (3, 4, 5, 6, 7):
        box.put(value)
    assert (box.take(), box.replaced) == ([5, 6, 7], 2)
    box.put(8)
    assert (box.take(), box.replaced) == ([8], 2)


def test_the_room_can_grow_and_shrink_while_values_wait() -> None:
    box: Mailbox[int] = Mailbox()
    box.put(1)
    box.keep(3)
    for value in (2, 3, 4):
        box.put(value)
    assert box.replaced == 1
    box.keep(1)
    assert (box.take(), box.replaced) == ([4], 3)


def test_closing_wakes_a_waiter_but_what_lies_inside_is_still_handed_out() -> None:
    box: Mailbox[int] = Mailbox(2)
    box.put(7)
    box.close()
    assert (box.take(), box.take(), box.closed) == ([7], [], True)
    empty: Mailbox[int] = Mailbox()
    found: list[list[int]] = []
    waiter = threading.Thread(target=lambda: found.append(empty.take()))
    waiter.start()
    empty.close()
    waiter.join(10)
    assert found == [[]]


def test_a_waiter_is_woken_by_a_value() -> None:
    box: Mailbox[int] = Mailbox(2)
    found: list[list[int]] = []
    waiter = threading.Thread(target=lambda: found.append(box.take(10)))
    waiter.start()
    box.put(5)
    waiter.join(10)
    assert found == [[5]]
