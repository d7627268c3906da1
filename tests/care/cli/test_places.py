"""Areas and teams on the command line: what is taken when nothing is said, and their names."""

import pytest

from tests.care.cli.test_administration import Hearthbeat


@pytest.fixture
def hearthbeat(database_url: str) -> Hearthbeat:
    """The command line on this test's database."""
    return Hearthbeat(database_url)


async def test_the_automatic_area_gives_way_to_the_first_real_one(hearthbeat: Hearthbeat) -> None:
    """Made by itself, it is the default only until a person made one; with two one has to say."""
    await hearthbeat("staff", "add", "--user", "li")
    made = (await hearthbeat("area", "add", "--name", "X", "--json")).json
    team = (await hearthbeat("team", "add", "--name", "T", "--json")).json
    assert team["area_id"] == made["area_id"]
    await hearthbeat("area", "add", "--name", "Y")
    unclear = await hearthbeat("team", "add", "--name", "U")
    assert unclear.code == 1
    assert "say --area" in unclear.err


async def test_an_area_somebody_named_like_the_automatic_one_counts(hearthbeat: Hearthbeat) -> None:
    """Who made it decides, not its name."""
    await hearthbeat("area", "add", "--name", "Home village")
    await hearthbeat("area", "add", "--name", "X")
    assert (await hearthbeat("team", "add", "--name", "T")).code == 1


async def test_staff_can_be_placed_by_area(hearthbeat: Hearthbeat) -> None:
    """With several areas `staff add` says --area, and takes it: first team, only team, no team."""
    for name in ("X", "Y"):
        await hearthbeat("area", "add", "--name", name)
    unclear = await hearthbeat("staff", "add", "--user", "li")
    assert (unclear.code, "say --area" in unclear.err) == (1, True)
    assert (await hearthbeat("staff", "add", "--user", "li", "--area", "Y")).code == 0
    assert (await hearthbeat("staff", "add", "--user", "chen", "--area", "Y")).code == 0
    teams = (await hearthbeat("team", "list", "--json")).json["teams"]
    assert [(t["area_id"], t["ladder"]) for t in teams] == [(2, ["1:li", "1:chen"])]
    none = await hearthbeat("staff", "add", "--user", "wu", "--area", "X")
    assert (none.code, "has no team" in none.err) == (1, True)
    both = await hearthbeat("staff", "add", "--user", "wu", "--area", "X", "--team", "1")
    assert both.code == 2


async def test_a_name_is_taken_where_it_is_clear(hearthbeat: Hearthbeat) -> None:
    """An area and a team by name; a name that two have is refused with what to do."""
    for name in ("North", "South"):
        await hearthbeat("area", "add", "--name", name, "--level", "county")
        await hearthbeat("area", "add", "--name", "柳树村", "--parent", name)
    twice = await hearthbeat("team", "add", "--name", "T", "--area", "柳树村")
    assert (twice.code, "give the id" in twice.err) == (1, True)
    team = (await hearthbeat("team", "add", "--name", "T", "--area", "North", "--json")).json
    assert team["area_id"] == 1
    placed = await hearthbeat("patient", "add", "--name", "王", "--team", "T", "--json")
    assert placed.json["team_id"] == team["team_id"]
    await hearthbeat("staff", "add", "--user", "li", "--team", "T")
    put = await hearthbeat("team", "member", "--team", "T", "--user", "li", "--json")
    assert put.json["team_id"] == team["team_id"]
    unknown = await hearthbeat("team", "member", "--team", "nobody", "--user", "li")
    assert (unknown.code, "no team nobody" in unknown.err) == (1, True)


async def test_a_second_area_of_the_same_name_is_refused(hearthbeat: Hearthbeat) -> None:
    """In the same place only: below another parent the name is free."""
    await hearthbeat("area", "add", "--name", "Willow", "--level", "county")
    again = await hearthbeat("area", "add", "--name", "Willow")
    assert (again.code, "its id is 1" in again.err) == (1, True)
    assert (await hearthbeat("area", "add", "--name", "Willow", "--parent", "1")).code == 0
