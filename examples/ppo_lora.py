"""Align a chat model with PPO + LoRA and HALReward. TRL has PPO up to 1.12: pip install "hal-trl[ppo]"

python examples/ppo_lora.py HuggingFaceTB/SmolLM2-135M-Instruct
"""

import sys

import torch
from peft import LoraConfig

from hal_trl import HALReward
from hal_trl.alignment import load_chat_model, load_openers
from hal_trl.alignment.ppo import make_ppo_trainer, require_ppo


require_ppo()
from trl.experimental.ppo import PPOConfig  # noqa: E402


model, tokenizer = load_chat_model(sys.argv[1] if len(sys.argv) > 1 else None)
instruction = "You are chatting with a friend by text message. Reply in one short sentence."
chats = [
    [{"role": "system", "content": instruction}, {"role": "user", "content": opener}]
    for opener in load_openers("train")  # put your own prompts here
]
trainer = make_ppo_trainer(
    model,
    tokenizer,
    chats,
    HALReward(),
    PPOConfig(
        output_dir="runs/ppo-lora",
        total_episodes=16 * (int(sys.argv[2]) if len(sys.argv) > 2 else 60),
        learning_rate=1e-5,  # the value model's, too
        kl_coef=0.05,
        per_device_train_batch_size=16,
        num_mini_batches=1,
        num_ppo_epochs=4,
        response_length=40,
        missing_eos_penalty=0.5,
        temperature=0.8,
        logging_steps=1,
        save_strategy="no",
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available(),
        report_to="none",
    ),
    peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
)
trainer.train()
trainer.save_model("runs/ppo-lora/adapter")
