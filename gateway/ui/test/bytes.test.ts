import { describe, expect, it } from "vitest";
import { bytesOf, fileName, hexDump, shapesOf, sniff, textOf } from "../src/bytes";

const utf8 = (text: string) => new TextEncoder().encode(text);

describe("bytes of a record", () => {
	it("are a string, base64, or not there", () => {
		expect(textOf(bytesOf({ body: "hé" }, "body")!)).toBe("hé");
		expect([...bytesOf({ body_base64: "AP8=" }, "body")!]).toEqual([0, 255]);
		expect(bytesOf({}, "body")).toBeNull();
		expect(bytesOf({ body: "" }, "body")!.length).toBe(0);
	});
	it("are text only where they are", () => {
		expect(textOf(Uint8Array.of(0xff, 0xfe))).toBeNull();
		expect(textOf(utf8("a\0b"))).toBeNull();
	});
	it("are looked at by what they are, not by what they claim", () => {
		expect(shapesOf(utf8('{"a":1}'), "")).toEqual(["json", "text", "hex"]);
		expect(shapesOf(utf8("{a"), "application/json")).toEqual(["text", "hex"]);
		expect(shapesOf(Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0), "text/plain")).toEqual(["image", "hex"]);
		expect(shapesOf(Uint8Array.of(0, 0, 0, 32, 0x66, 0x74, 0x79, 0x70), "")).toEqual(["video", "hex"]);
		expect(sniff(utf8("hello"))).toBe("");
	});
	it("are dumped as hexdump does, and cut", () => {
		expect(hexDump(utf8("hello\n"))).toBe("00000000  68 65 6c 6c 6f 0a                                 |hello.|");
		expect(hexDump(new Uint8Array(20_000)).endsWith("… 3616 bytes more")).toBe(true);
	});
	it("are saved under a name", () => {
		expect(fileName("t1", "result", "application/json; charset=utf-8")).toBe("t1.result.json");
		expect(fileName("t1", "body", "x/y")).toBe("t1.body.bin");
	});
});
