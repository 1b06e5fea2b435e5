/* SPDX-License-Identifier: MIT */
/* memcpy, memset and memmove: string instructions by eight bytes. The
 * direction flag is never set, so that no entry path has to mind it. */
#define RETURN jmp __x86_return_thunk
#define FUNCTION(f) .globl f; .hidden f; .type f, @function; f:

	.text

FUNCTION(memcpy)
	mov	%rdi, %rax
	mov	%rdx, %rcx
	shr	$3, %rcx
	rep movsq
	mov	%edx, %ecx
	and	$7, %ecx
	rep movsb
	RETURN

FUNCTION(memset)
	mov	%rdi, %r8
	movzbl	%sil, %esi
	movabs	$0x0101010101010101, %rax
	imul	%rsi, %rax
	mov	%rdx, %rcx
	shr	$3, %rcx
	rep stosq
	mov	%edx, %ecx
	and	$7, %ecx
	rep stosb
	mov	%r8, %rax
	RETURN

FUNCTION(memmove)
	mov	%rdi, %rax
	sub	%rsi, %rax
	cmp	%rdx, %rax	/* dst below src, or behind its end */
	jae	memcpy
	mov	%rdi, %rax
1:	cmp	$8, %rdx	/* downwards */
	jb	2f
	mov	-8(%rsi, %rdx), %rcx
	mov	%rcx, -8(%rdi, %rdx)
	sub	$8, %rdx
	jmp	1b
2:	test	%rdx, %rdx
	jz	3f
	mov	-1(%rsi, %rdx), %cl
	mov	%cl, -1(%rdi, %rdx)
	dec	%rdx
	jmp	2b
3:	RETURN
