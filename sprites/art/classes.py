"""Which classes there are, and the emoji code points that draw them."""

from __future__ import annotations

from typing import NamedTuple

STYLES = ("3d", "flat", "noto", "noto1", "tw", "eo", "fx")
"""One art pack each, in the order in which sprites are stored."""

# class = code points; "f:" marks a drawing of the face alone
_ALIVE = """
monkey=1f412 f:1f435; gorilla=1f98d; orangutan=1f9a7; dog=1f415 1f9ae 1f415-200d-1f9ba f:1f436; poodle=1f429;
wolf=f:1f43a; fox=f:1f98a; raccoon=f:1f99d; cat=1f408 f:1f431; lion=f:1f981; tiger=1f405 f:1f42f; leopard=1f406;
horse=1f40e f:1f434; unicorn=f:1f984; zebra=1f993; deer=1f98c; cow=1f404 f:1f42e; pig=1f416 f:1f437;
sheep=1f411; goat=1f410; camel=1f42a 1f42b; llama=1f999; giraffe=1f992; elephant=1f418; rhino=1f98f;
hippo=1f99b; mouse=1f401 f:1f42d; hamster=f:1f439; rabbit=1f407 f:1f430; chipmunk=1f43f; beaver=1f9ab;
hedgehog=1f994; bat=1f987; bear=f:1f43b; polar bear=f:1f43b-200d-2744; koala=f:1f428; panda=f:1f43c;
sloth=1f9a5; otter=1f9a6; skunk=1f9a8; kangaroo=1f998; turkey=1f983; chicken=f:1f414; rooster=1f413;
chick=1f424 1f425; bird=1f426; penguin=1f427; eagle=1f985; duck=1f986; swan=1f9a2; owl=1f989; flamingo=1f9a9;
peacock=1f99a; parrot=1f99c; frog=f:1f438; crocodile=1f40a; turtle=1f422; snake=1f40d; dragon=1f409 f:1f432;
dinosaur=1f995 1f996; whale=1f40b 1f433; dolphin=1f42c; seal=1f9ad; fish=1f41f 1f420; blowfish=1f421;
shark=1f988; octopus=1f419; jellyfish=1fabc; crab=1f980; lobster=1f99e; squid=1f991; snail=1f40c;
butterfly=1f98b; caterpillar=1f41b; bee=1f41d; beetle=1fab2; ladybug=1f41e; spider=1f577; ghost=1f47b;
alien=1f47d; robot=f:1f916; snowman=2603 26c4; teddy bear=1f9f8;
"""
_THINGS = """
bouquet=1f490; rose=1f339; sunflower=1f33b; tulip=1f337; hibiscus=1f33a; potted plant=1fab4; pine tree=1f332;
tree=1f333; palm tree=1f334; cactus=1f335; mushroom=1f344; maple leaf=1f341; melon=1f348; watermelon=1f349;
orange=1f34a; lemon=1f34b; banana=1f34c; pineapple=1f34d; mango=1f96d; apple=1f34e 1f34f; pear=1f350;
peach=1f351; strawberry=1f353; kiwi=1f95d; tomato=1f345; coconut=1f965; avocado=1f951; eggplant=1f346;
carrot=1f955; chili pepper=1f336; broccoli=1f966; bread=1f35e; croissant=1f950; pretzel=1f968; waffle=1f9c7;
cheese=1f9c0; burger=1f354; pizza=1f355; hot dog=1f32d; sandwich=1f96a; taco=1f32e; can=1f96b;
ice cream=1f368 1f366; donut=1f369; cookie=1f36a; birthday cake=1f382; cupcake=1f9c1; pie=1f967; candy=1f36c;
lollipop=1f36d; honey pot=1f36f; baby bottle=1f37c; cup=2615 1f375; teapot=1fad6; wine glass=1f377;
cocktail=1f379; beer mug=1f37a; bubble tea=1f9cb; vase=1f3fa; train=1f682 1f686; bullet train=1f685 1f684;
tram=1f68a; bus=1f68c 1f68d; van=1f690; ambulance=1f691; fire truck=1f692; police car=1f693 1f694;
taxi=1f695 1f696; car=1f697 1f698 1f699; pickup truck=1f6fb; truck=1f69a 1f69b; tractor=1f69c; race car=1f3ce;
motorcycle=1f3cd; scooter=1f6f5; bicycle=1f6b2; skateboard=1f6f9; roller skate=1f6fc; sailboat=26f5;
canoe=1f6f6; speedboat=1f6a4; ship=1f6a2 1f6f3; airplane=2708 1f6e9; helicopter=1f681; rocket=1f680;
flying saucer=1f6f8; house=1f3e0 1f3e1; castle=1f3f0; church=26ea; tent=26fa; ferris wheel=1f3a1; fountain=26f2;
stone statue=1f5ff; suitcase=1f9f3; hourglass=231b 23f3; watch=231a; alarm clock=23f0; clock=1f570;
umbrella=2602; fire=1f525; pumpkin lantern=1f383; christmas tree=1f384; balloon=1f388; gift=1f381; trophy=1f3c6;
soccer ball=26bd; baseball=26be; basketball=1f3c0; volleyball=1f3d0; football=1f3c8; boxing glove=1f94a;
kite=1fa81; crystal ball=1f52e; die=1f3b2; pinata=1fa85; nesting doll=1fa86; mirror ball=1faa9; tie=1f454;
shirt=1f455; dress=1f457; handbag=1f45c; purse=1f45b; backpack=1f392; sneaker=1f45f; boot=1f97e 1f462;
shoe=1f45e; crown=1f451; top hat=1f3a9; cap=1f9e2; ring=1f48d; diamond=1f48e; bell=1f514; radio=1f4fb;
microphone=1f3a4 1f399; saxophone=1f3b7; trumpet=1f3ba; accordion=1fa97; guitar=1f3b8; violin=1f3bb; drum=1f941;
phone=1f4f1; telephone=260e; battery=1f50b; laptop=1f4bb; computer=1f5a5; printer=1f5a8; camera=1f4f7 1f4f8;
television=1f4fa; candle=1f56f; light bulb=1f4a1; flashlight=1f526; lantern=1f3ee; book=1f4d5 1f4d7 1f4d8 1f4d9;
scroll=1f4dc; money bag=1f4b0; box=1f4e6; mailbox=1f4eb 1f4ea; pencil=270f; briefcase=1f4bc; scissors=2702;
key=1f511; hammer=1f528; axe=1fa93; lock=1f512; magnet=1f9f2; toolbox=1f9f0; microscope=1f52c; telescope=1f52d;
door=1f6aa; bed=1f6cf; couch=1f6cb; chair=1fa91; toilet=1f6bd; bathtub=1f6c1; broom=1f9f9; basket=1f9fa;
bucket=1faa3; shopping cart=1f6d2; fire extinguisher=1f9ef; bomb=1f4a3; shield=1f6e1; anchor=2693;
traffic light=1f6a6; globe=1f30d 1f30e 1f30f; star=2b50; planet=1fa90; cloud=2601;
"""
# drawn for subjects only: no world ever shows them
_STRANGERS = """
dodo=1f9a4; lizard=1f98e; mammoth=1f9a3; joystick=1f579; popcorn=1f37f; cable car=1f6a1;
"""
ACCESSORIES = {
    "sunglasses": "1f576",
    "glasses": "1f453",
    "top hat": "1f3a9",
    "crown": "1f451",
    "cap": "1f9e2",
    "straw hat": "1f452",
    "graduation cap": "1f393",
    "helmet": "26d1",
    "umbrella": "2602",
    "balloon": "1f388",
    "scarf": "1f9e3",
    "bow": "1f380",
    "rose": "1f339",
    "headphones": "1f3a7",
}

_LEFT_OUT = {
    "bathtub", "beetle", "cloud", "coconut", "door", "fountain", "goat", "hibiscus", "mango",
    "melon", "orangutan", "shirt", "shopping cart", "skunk", "sloth", "stone statue", "tie",
    "toilet", "turkey",
}  # fmt: skip
"""Classes whose drawings are too few, too alike or too hard to recognise at 64 pixels."""


class Drawing(NamedTuple):
    """One thing to rasterise from every pack."""

    class_noun: str
    code_point: str
    is_face: bool = False
    is_alive: bool = False
    is_accessory: bool = False
    is_stranger: bool = False


def _parse(text: str, *, is_alive: bool, is_stranger: bool = False) -> list[Drawing]:
    drawings = []
    for item in filter(None, (part.strip() for part in text.replace("\n", " ").split(";"))):
        class_noun, code_points = item.split("=")
        for code_point in code_points.split():
            is_face = code_point.startswith("f:")
            drawings.append(
                Drawing(class_noun, code_point.removeprefix("f:"), is_face, is_alive, is_stranger=is_stranger)
            )
    return drawings


def drawings() -> list[Drawing]:
    """Everything to rasterise, in stored order: living things, things, accessories, strangers."""
    return [
        *(d for d in _parse(_ALIVE, is_alive=True) if d.class_noun not in _LEFT_OUT),
        *(d for d in _parse(_THINGS, is_alive=False) if d.class_noun not in _LEFT_OUT),
        *(Drawing(name, code_point, is_accessory=True) for name, code_point in ACCESSORIES.items()),
        *_parse(_STRANGERS, is_alive=False, is_stranger=True),
    ]


def world_classes() -> tuple[str, ...]:
    """Every class that a world may show, sorted; strangers are none of them."""
    return tuple(sorted({d.class_noun for d in drawings() if not d.is_accessory and not d.is_stranger}))


def stranger_nouns() -> tuple[str, ...]:
    """Classes that only subjects have, sorted."""
    return tuple(sorted({d.class_noun for d in drawings() if d.is_stranger}))
